import assert from 'node:assert/strict'
import { it } from 'node:test'

import { MessageBudget } from './message-budget.ts'

it('MessageBudget allows a burst, and a steady rate in the long run', () => {
  const budget = new MessageBudget({ atOnce: 3, perSecond: 5 }, 0)
  assert.deepEqual([budget.spend(0), budget.spend(0), budget.spend(0)], [0, 0, 200])
  assert.equal(budget.spend(200), 200)
  assert.equal(budget.spend(400), 200)
  // A second of rest allows five more, but no more than three at once.
  assert.deepEqual([budget.spend(2000), budget.spend(2000), budget.spend(2000)], [0, 0, 200])
  // A sender that does not wait must wait longer later.
  assert.equal(budget.spend(2000), 400)
})

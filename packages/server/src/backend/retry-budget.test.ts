import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { RetryBudget } from './retry-budget.ts'

/** How many retries are granted at one moment. */
function granted(budget: RetryBudget, now: number, asked = 10_000): number {
  let count = 0
  while (count < asked && budget.take(now)) count++
  return count
}

describe('RetryBudget', () => {
  it('grants a few if there is hardly any traffic', () => {
    assert.equal(granted(new RetryBudget({ granted: 0, refused: 0 }), 1_000_000), 100)
  })

  it('grants retries for a fifth of the requests', () => {
    const budget = new RetryBudget({ granted: 0, refused: 0 })
    for (let request = 0; request < 5000; request++) budget.count(1000 + request)
    assert.equal(granted(budget, 6000), 1100)
    assert.equal(budget.take(6001), false)
  })

  it('forgets requests and retries after ten seconds', () => {
    const budget = new RetryBudget({ granted: 0, refused: 0 })
    for (let request = 0; request < 5000; request++) budget.count(500)
    assert.equal(granted(budget, 600, 1000), 1000)
    assert.equal(granted(budget, 9900), 100)
    assert.equal(granted(budget, 10_100), 0, 'the requests are over, the last hundred retries are not')
    assert.equal(granted(budget, 19_100), 100)
    assert.equal(granted(budget, 10_000_000), 100)
  })

  it('never grants more retries than a fifth and the floor, whatever the traffic', () => {
    const budget = new RetryBudget({ granted: 0, refused: 0 })
    let retries = 0
    for (let now = 0; now < 60_000; now += 2) {
      budget.count(now)
      if (budget.take(now)) retries++
    }
    // 30 000 requests: a fifth, ten a second, and the initial budget of the first window.
    assert.ok(retries > 6000 && retries <= 6000 + 700, String(retries))
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { Leniency } from './leniency.ts'

describe('exchanges that pass because a rule is not enforced (traffic policy, enforce)', () => {
  it('are logged at once, and then once a minute with their number, for each edge and action', () => {
    let now = 0
    const lines: object[] = []
    const leniency = new Leniency({ warn: (fields: object) => void lines.push(fields) } as never, () => now)
    const note = (edgeId: string, action = 'rate-limit'): void => leniency.note({ edgeId, action, detail: 'few' })
    note('edg_a')
    note('edg_b')
    note('edg_a', 'verify-webhook')
    for (let i = 0; i < 1000; i++) note('edg_a')
    assert.deepEqual(lines, [
      { edgeId: 'edg_a', action: 'rate-limit', detail: 'few', passed: 1 },
      { edgeId: 'edg_b', action: 'rate-limit', detail: 'few', passed: 1 },
      { edgeId: 'edg_a', action: 'verify-webhook', detail: 'few', passed: 1 },
    ])
    now = 60_000
    note('edg_a')
    assert.deepEqual(lines.slice(3), [{ edgeId: 'edg_a', action: 'rate-limit', detail: 'few', passed: 1001 }])
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { afterCheck } from './health-record.ts'
import type { HealthRecord } from './health-record.ts'

const thresholds = { healthy: 2, unhealthy: 3 }

/** `+` a passed check, `-` a failed one; returns the state after each. */
function states(checks: string): string {
  let record: HealthRecord | undefined
  return checks
    .split('')
    .map((check) => {
      record = afterCheck(record, check === '+', thresholds)
      return record.healthy ? 'h' : 'u'
    })
    .join('')
}

describe('afterCheck', () => {
  const cases: [what: string, checks: string, expected: string][] = [
    ['lets the first check decide alone, for better', '+', 'h'],
    ['lets the first check decide alone, for worse', '-', 'u'],
    ['turns unhealthy at the third failure in a row', '+---', 'hhhu'],
    ['forgets failures that were not in a row', '+--+--+---', 'hhhhhhhhhu'],
    ['turns healthy at the second success in a row', '-++', 'uuh'],
    ['forgets a success that stood alone', '-+-+-++', 'uuuuuuh'],
  ]
  for (const [what, checks, expected] of cases) it(what, () => assert.equal(states(checks), expected))
})

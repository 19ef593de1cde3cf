import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { freshnessProblem } from './fresh-authentication.ts'

const BEGUN = 1_800_000_000_000
const NOW = BEGUN + 20_000 // the visitor has typed a password
const S = NOW / 1000

describe('freshnessProblem', () => {
  const check = (claims: Record<string, unknown>, maxAgeS = 0) =>
    freshnessProblem(claims, { begun: BEGUN, maxAgeS, now: NOW })

  it('takes an authentication since the sign-in began', () => {
    for (const auth_time of [S, S - 10, S - 20, S - 24]) assert.equal(check({ auth_time, iat: S }), undefined)
  })
  it('refuses an older one, or none', () => {
    assert.match(check({ auth_time: S - 26, iat: S }) ?? '', /26 s ago/)
    for (const auth_time of [undefined, null, '1800000020', Number.NaN, true]) {
      assert.match(check({ auth_time, iat: S }) ?? '', /auth_time/)
    }
  })
  it('uses the provider’s clock, which may be wrong', () => {
    for (const offset of [-120, 120]) {
      assert.equal(check({ auth_time: S + offset, iat: S + offset }), undefined)
      assert.match(check({ auth_time: S + offset - 60, iat: S + offset }) ?? '', /too long/)
    }
  })
  it('is not fooled by backdated tokens', () => {
    assert.equal(check({ auth_time: S - 5, iat: S - 300 }), undefined)
    assert.match(check({ auth_time: S - 290, iat: S - 300 }) ?? '', /too long/)
  })
  it('allows the requested age', () => {
    assert.equal(check({ auth_time: S - 3600, iat: S }, 3600), undefined)
    assert.match(check({ auth_time: S - 3700, iat: S }, 3600) ?? '', /too long/)
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { Attempts } from './attempts.ts'

describe('Attempts', () => {
  it('lets an address try so often in a minute, and others as well', () => {
    let now = 1_000_000
    const attempts = new Attempts(2, () => now)
    assert.deepEqual(
      ['1.1.1.1', '1.1.1.1', '1.1.1.1', '2.2.2.2'].map((address) => attempts.take(address)),
      [true, true, false, true],
    )
    now += 60_000
    assert.ok(attempts.take('1.1.1.1'))
  })

  it('takes a /64 of IPv6 as one address', () => {
    const attempts = new Attempts(1, () => 0)
    assert.ok(attempts.take('2001:db8:0:1::1'))
    assert.ok(!attempts.take('2001:db8:0:1:ffff::2'))
    assert.ok(!attempts.take('2001:db8::1:a:b:c:d'))
    assert.ok(attempts.take('2001:db8:0:2::1'))
  })
})

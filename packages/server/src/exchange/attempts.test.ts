import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { Attempts } from './attempts.ts'

describe('Attempts', () => {
  it('is exhausted after the limit in a minute, for that address only', () => {
    const attempts = new Attempts(3)
    for (const second of [0, 1, 2]) attempts.add('192.0.2.1', second * 1000)
    assert.ok(attempts.isExhausted('192.0.2.1', 3000))
    assert.equal(attempts.isExhausted('192.0.2.2', 3000), false)
  })

  it('recovers gradually', () => {
    const attempts = new Attempts(3)
    for (let i = 0; i < 3; i++) attempts.add('192.0.2.1', 0)
    assert.ok(attempts.isExhausted('192.0.2.1', 60_000))
    assert.equal(attempts.isExhausted('192.0.2.1', 90_000), false)
    assert.equal(attempts.isExhausted('192.0.2.1', 180_000), false)
  })

  it('takes attempts up to the limit and refuses the next, without counting refusals', () => {
    const attempts = new Attempts(2)
    const taken = [0, 1, 2, 3].map((second) => attempts.take('192.0.2.1', second * 1000))
    assert.deepEqual(taken, [true, true, false, false])
    assert.ok(attempts.take('192.0.2.1', 120_000))
  })

  it('takes a /64 of IPv6 as one address', () => {
    const attempts = new Attempts(1)
    assert.ok(attempts.take('2001:db8:0:1::1', 0))
    assert.ok(!attempts.take('2001:db8:0:1:ffff::2', 0))
    assert.ok(!attempts.take('2001:db8::1:a:b:c:d', 0))
    assert.ok(attempts.take('2001:db8:0:2::1', 0))
  })

  it('forgets the oldest address rather than growing without bound', () => {
    const attempts = new Attempts(1)
    attempts.add('first', 0)
    for (let i = 0; i < 50_000; i++) attempts.add(`address ${i}`, 0)
    assert.equal(attempts.isExhausted('first', 0), false)
    assert.ok(attempts.isExhausted('address 49999', 0))
  })
})

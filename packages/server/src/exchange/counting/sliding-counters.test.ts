import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

import { CounterRoom } from './sliding-counters.ts'

const MINUTE = 60_000

describe('counters over a sliding window (traffic policy, rate-limit)', () => {
  it('take the capacity in a window, and say how long the next must wait', () => {
    const counter = new CounterRoom(10).counter(MINUTE)
    assert.deepEqual(
      [0, 1000, 2000].map((now) => counter.take('a', 3, now)),
      [0, 0, 0],
    )
    assert.equal(counter.take('a', 3, 10_000), 50_000)
    assert.equal(counter.take('b', 3, 10_000), 0, 'each key for itself')
    assert.equal(counter.rate('a', 10_000), 3, 'refusals are not counted')
    // After the end of the window the three fade: one passes as soon as less than three are left.
    assert.ok(counter.take('a', 3, 60_000) > 0)
    assert.equal(counter.take('a', 3, 60_001), 0)
    const wait = counter.take('a', 3, 60_001)
    assert.ok(counter.take('a', 3, 60_001 + Math.floor(wait) - 1) > 0)
    assert.equal(counter.take('a', 3, 60_001 + Math.floor(wait) + 1), 0)
    assert.equal(counter.rate('a', 1_000_000), 0)
  })

  it('let through at most twice the capacity in any window, and the capacity over time', () => {
    const counter = new CounterRoom(10).counter(MINUTE)
    const passed: number[] = []
    for (let now = 0; now < 20 * MINUTE; now += 100) if (counter.take('a', 30, now) === 0) passed.push(now)
    assert.ok(passed.length <= 21 * 30, `${passed.length}`)
    assert.ok(passed.length >= 19 * 30, `${passed.length}`)
    for (const start of passed) {
      assert.ok(passed.filter((now) => now >= start && now < start + MINUTE).length <= 60)
    }
  })

  it('do not lock anybody out when the clock is set back', () => {
    const counter = new CounterRoom(10).counter(MINUTE)
    assert.equal(counter.take('a', 1, 1e12), 0)
    assert.ok(counter.take('a', 1, 1e12 - 10 * 86_400_000) <= 2 * MINUTE)
    assert.equal(counter.take('a', 1, 1e12 - 10 * 86_400_000 + 2 * MINUTE), 0)
  })

  it('forget the bucket that was used longest ago, and never a busy one', () => {
    const room = new CounterRoom(1000)
    const counter = room.counter(MINUTE)
    for (let i = 0; i < 50; i++) counter.take('busy', 50, 0)
    counter.take('first', 50, 1)
    for (let i = 0; i < 5000; i++) counter.take(`other ${i}`, 50, 2)
    assert.equal(room.size, 1000)
    assert.ok(counter.take('busy', 50, 3) > 0, 'its refusals stand')
    assert.equal(counter.rate('first', 3), 0)
    assert.equal(counter.rate('other 4999', 3), 1)
  })

  it('share a room, and give back unused buckets', () => {
    const changes: number[] = []
    const room = new CounterRoom(1000, (change) => void changes.push(change))
    const one = room.counter(MINUTE)
    const other = room.counter(10 * MINUTE)
    for (let i = 0; i < 300; i++) one.add(`${i}`, 0)
    for (let i = 0; i < 300; i++) other.add(`${i}`, 0)
    assert.equal(room.size, 600)
    for (let i = 300; i < 500; i++) one.add(`${i}`, 2 * MINUTE)
    one.close()
    assert.equal(room.size, 300)
    assert.equal(
      changes.reduce((sum, change) => sum + change, 0),
      300,
    )
  })

  it('need no more than 32 MB for 100 000 buckets, even when many more come', () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void // set by --expose-gc
    collect()
    const before = process.memoryUsage().heapUsed
    const room = new CounterRoom(100_000)
    const counter = room.counter(MINUTE)
    for (let i = 0; i < 200_000; i++)
      counter.take(Buffer.from(`2001:db8::${i} and what a key has`).toString('latin1'), 9, i)
    collect()
    assert.equal(room.size, 100_000)
    const taken = process.memoryUsage().heapUsed - before
    assert.ok(taken < 32_000_000, `${taken}`)
    assert.ok(counter.rate('2001:db8::199999 and what a key has', 200_000) > 0)
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { TestContext } from 'node:test'

import { CounterRooms } from './counter-rooms.ts'
import type { PassedCounts } from './shared-counts.ts'

const START = 1_780_000_000_000
const HOUR = 3_600_000

/** Workers whose messages arrive at once; `turn` lets the time for one message pass. */
function startWorkers({ mock: { timers } }: TestContext, count: number) {
  timers.enable({ apis: ['setTimeout'] })
  const listeners: ((passed: PassedCounts) => void)[] = []
  const told: PassedCounts[] = []
  const rooms = Array.from({ length: count }, (_, self) => {
    const tell = (passed: PassedCounts): void => {
      told.push(passed)
      for (const [index, listener] of listeners.entries()) if (index !== self) listener(passed)
    }
    return new CounterRooms(() => START, { tell, listen: (listener) => void (listeners[self] = listener) })
  })
  return { rooms, told, turn: () => timers.tick(200) }
}

describe('rate limits of several workers (traffic policy, 14.7)', () => {
  it('count together; refusals cost no message, and limits stay separate', (context) => {
    const { rooms, told, turn } = startWorkers(context, 3)
    const [one, two, three] = rooms.map((room) => room.counter('edg_x', HOUR, 'limit'))
    const other = rooms[1]!.counter('edg_x', HOUR, 'another limit')
    for (let i = 0; i < 4; i++) assert.equal(one!.take('a', 5, START), 0)
    assert.equal(three!.take('a', 5, START), 0)
    turn()
    for (const worker of [one, two, three]) assert.ok(worker!.take('a', 5, START) > 0)
    assert.equal(two!.take('b', 5, START), 0, 'another bucket')
    assert.equal(other.take('a', 1, START), 0)
    turn()
    const before = told.length
    for (let i = 0; i < 100; i++) two!.take('a', 5, START)
    turn()
    assert.equal(told.length, before)
  })

  it('let each worker have the capacity until they have heard of each other, and no more after it', (context) => {
    const { rooms, turn } = startWorkers(context, 2)
    const [one, two] = rooms.map((room) => room.counter('edg_x', HOUR, 'limit'))
    for (const worker of [one, two]) for (let i = 0; i < 5; i++) assert.equal(worker!.take('a', 5, START), 0)
    turn()
    // Ten have passed in this window. In the next one, their share must fall below five first.
    for (const worker of [one, two]) assert.ok(worker!.take('a', 5, START + 1.4 * HOUR) > 0)
    assert.equal(one!.take('a', 5, START + 1.6 * HOUR), 0)
  })

  it('send a bounded number at once and the rest later, and no limit delays others', (context) => {
    const { rooms, told, turn } = startWorkers(context, 2)
    const flood = rooms[0]!.counter('mallory', HOUR, 'flood')
    const calm = rooms[0]!.counter('alice', HOUR, 'calm')
    const calmThere = rooms[1]!.counter('alice', HOUR, 'calm')
    for (let i = 0; i < 5000; i++) flood.take(`${i}`, 1, START)
    calm.take('a', 1, START)
    turn()
    turn()
    assert.ok(calmThere.take('a', 1, START) > 0)
    for (let i = 0; i < 10; i++) turn()
    const sizes = told.map((passed) => passed.reduce((sum, [, buckets]) => sum + buckets.length, 0))
    assert.deepEqual(sizes, [1000, 1000, 1000, 1000, 1000, 1])
  })

  it('forget a closed limit, and ignore an unknown one', (context) => {
    const { rooms, turn } = startWorkers(context, 2)
    const here = rooms[0]!.counter('edg_x', HOUR, 'limit')
    here.take('a', 1, START)
    turn()
    const there = rooms[1]!.counter('edg_x', HOUR, 'limit')
    assert.equal(there.take('a', 1, START), 0)
    there.close()
    here.take('b', 1, START)
    turn()
    assert.equal(rooms[1]!.counter('edg_x', HOUR, 'limit').take('b', 1, START), 0)
  })
})

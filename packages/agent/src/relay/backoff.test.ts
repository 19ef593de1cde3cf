import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { Backoff } from './backoff.ts'

describe('Backoff', () => {
  it('doubles from half a second to thirty, and stays there', () => {
    const shortest = new Backoff(() => 0)
    const longest = new Backoff(() => 0.999_999)
    const waits = Array.from({ length: 9 }, () => [shortest.next(), longest.next()])
    assert.deepEqual(waits, [
      [500, 1000],
      [1000, 2000],
      [2000, 4000],
      [4000, 8000],
      [8000, 16_000],
      [15_000, 30_000],
      [15_000, 30_000],
      [15_000, 30_000],
      [15_000, 30_000],
    ])
  })

  it('grows no further than a given limit', () => {
    const backoff = new Backoff(() => 0.999_999)
    const waits = Array.from({ length: 5 }, () => backoff.next(5000))
    assert.deepEqual(waits, [1000, 2000, 4000, 5000, 5000])
    assert.equal(backoff.next(), 10_000)
  })

  it('starts again after a reset', () => {
    const backoff = new Backoff(() => 0)
    backoff.next()
    backoff.next()
    backoff.reset()
    assert.equal(backoff.next(), 500)
  })
})

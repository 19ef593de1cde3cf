import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { INITIAL_WINDOW_BYTES } from './frame.ts'
import { ReceiveWindow, SMALLEST_WINDOW_BYTES } from './receive-window.ts'

const HALF = INITIAL_WINDOW_BYTES / 2
const QUARTER = INITIAL_WINDOW_BYTES / 4
const CEILING = 16 * 1024 * 1024

/** Lets `bytes` arrive and be read at a steady speed, granting as a stream would; returns the time after. */
function flow(window: ReceiveWindow, bytes: number, start: number, bytesPerMs: number, ceiling = CEILING): number {
  let now = start
  for (let left = bytes; left > 0; left -= 1024) {
    assert.ok(window.spend(1024))
    now += 1024 / bytesPerMs
    if (window.isGrantDue(0)) window.grant(0, ceiling, now, 50)
  }
  return now
}

/** A sender with endless bytes behind a path of this width and length; how many arrived in each millisecond. */
function simulate(bytesPerMs: number, roundTripMs: number, durationMs: number): number[] {
  const window = new ReceiveWindow()
  const data = Array.from({ length: durationMs + roundTripMs }, () => 0) // by the time of its arrival
  const credit = [...data]
  credit[0] = INITIAL_WINDOW_BYTES
  let maySend = 0
  for (let now = 0; now < durationMs; now++) {
    maySend += credit[now]!
    const sent = Math.min(maySend, bytesPerMs)
    maySend -= sent
    data[now + roundTripMs / 2]! += sent
    assert.ok(window.spend(data[now]!))
    if (window.isGrantDue(0)) credit[now + roundTripMs / 2]! += window.grant(0, CEILING, now, roundTripMs)
  }
  return data.slice(0, durationMs)
}

describe('ReceiveWindow', () => {
  it('gives credit for each quarter of a window once it is read, and none for waiting bytes', () => {
    const window = new ReceiveWindow()
    assert.ok(window.spend(INITIAL_WINDOW_BYTES))
    assert.equal(window.isGrantDue(INITIAL_WINDOW_BYTES), false)
    assert.equal(window.isGrantDue(INITIAL_WINDOW_BYTES - QUARTER + 1), false)
    assert.equal(window.isGrantDue(INITIAL_WINDOW_BYTES - QUARTER), true)
    assert.equal(window.grant(INITIAL_WINDOW_BYTES - QUARTER, CEILING, 0, undefined), QUARTER)
  })

  it('attack 36: refuses a byte beyond the credit', () => {
    const window = new ReceiveWindow()
    assert.equal(window.spend(INITIAL_WINDOW_BYTES + 1), false)
    assert.equal(window.spend(INITIAL_WINDOW_BYTES), true)
    assert.equal(window.spend(1), false)
  })

  it('grows to twice the delivered rate times the shortest round trip', () => {
    const window = new ReceiveWindow()
    flow(window, 100_000_000, 0, 50_000) // 50 MB/s over 50 ms
    assert.ok(Math.abs(window.target - 5_000_000) < 500_000, String(window.target))
  })

  it('fills a long path, whatever its width, within seconds', () => {
    for (const bytesPerMs of [2_500, 12_500, 50_000]) {
      const carried = simulate(bytesPerMs, 100, 5_000)
      const lastSecond = carried.slice(-1000).reduce((sum, bytes) => sum + bytes, 0)
      assert.ok(lastSecond > 0.95 * 1000 * bytesPerMs, `${lastSecond} of ${1000 * bytesPerMs} bytes in a second`)
    }
  })

  it('never grows beyond the ceiling, nor without a round trip', () => {
    const capped = new ReceiveWindow()
    flow(capped, 100_000_000, 0, 1_000_000)
    assert.equal(capped.target, CEILING)
    const blind = new ReceiveWindow()
    for (let now = 0; now < 100; now++) {
      assert.ok(blind.spend(HALF))
      blind.grant(0, CEILING, now, undefined)
    }
    assert.equal(blind.target, INITIAL_WINDOW_BYTES)
  })

  it('shrinks when the reader slows down, to 256 KiB and not below', () => {
    const window = new ReceiveWindow()
    const now = flow(window, 100_000_000, 0, 50_000)
    flow(window, 100_000_000, now, 100)
    assert.equal(window.target, INITIAL_WINDOW_BYTES)
  })

  it('falls to the ceiling when that is lowered', () => {
    const window = new ReceiveWindow()
    const now = flow(window, 100_000_000, 0, 50_000)
    flow(window, 50_000_000, now, 50_000, INITIAL_WINDOW_BYTES)
    assert.equal(window.target, INITIAL_WINDOW_BYTES)
  })

  describe('reliability 4: if memory is short', () => {
    /**
     * A reader who takes 8 KiB at a time and leaves the rest of the window unread; returns the bytes that the sender
     * may have under way.
     */
    function lag(window: ReceiveWindow, outstanding: number, steps: number, ceiling: number, start: number): number {
      let held = outstanding
      for (let step = 0; step < steps; step++) {
        held -= 8192
        if (!window.isGrantDue(held)) continue
        const granted = window.grant(held, ceiling, start + step, 10)
        assert.ok(granted === 0 || window.spend(granted))
        held += granted
      }
      return held
    }

    it('the window of a slow reader shrinks to 32 KiB, without taking credit back', () => {
      const window = new ReceiveWindow()
      assert.ok(window.spend(INITIAL_WINDOW_BYTES))
      const held = lag(window, INITIAL_WINDOW_BYTES, 100, SMALLEST_WINDOW_BYTES, 0)
      assert.equal(window.target, SMALLEST_WINDOW_BYTES)
      assert.ok(held <= SMALLEST_WINDOW_BYTES && held > 0, String(held))
    })

    it('the window of a reader that keeps up does not shrink', () => {
      const window = new ReceiveWindow()
      flow(window, 10_000_000, 0, 50_000, SMALLEST_WINDOW_BYTES)
      assert.equal(window.target, INITIAL_WINDOW_BYTES)
    })

    it('a window grows back in steps once there is room, if its reader keeps up', () => {
      const window = new ReceiveWindow()
      assert.ok(window.spend(INITIAL_WINDOW_BYTES))
      const held = lag(window, INITIAL_WINDOW_BYTES, 100, SMALLEST_WINDOW_BYTES, 0)
      lag(window, held, 20, CEILING, 100)
      assert.equal(window.target, SMALLEST_WINDOW_BYTES)
      const sizes = new Set([window.target])
      let now = 1000
      for (let round = 0; round < 40; round++) {
        window.grant(0, CEILING, (now += 25), 50)
        sizes.add(window.target)
      }
      assert.deepEqual(
        [...sizes].filter((size) => size <= INITIAL_WINDOW_BYTES),
        [1, 2, 4, 8].map((factor) => factor * SMALLEST_WINDOW_BYTES),
      )
    })
  })
})

// Seeded random frames, most of them plausible, against sessions that read, write, reset and stall at random. After any
// frames the session is open or ended as `mux_violation`, nothing is left behind, and nothing throws.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'

import { INITIAL_WINDOW_BYTES } from './frame.ts'
import { MemoryCarrier } from './memory-carrier.test-support.ts'
import { frame } from './raw-peer.test-support.ts'
import { YamuxSession } from './session.ts'
import type { YamuxStream } from './stream.ts'

const FRAMES = 200_000
const SEED = 20_260_101
const MAX_BUFFERED_BYTES = 300_000

/** mulberry32: a small generator that is the same everywhere. */
function random(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

describe('random frames', () => {
  it(`attack 36: ${FRAMES} of them never crash a session nor leak`, async () => {
    const next = random(SEED)
    const below = (limit: number) => Math.floor(next() * limit)
    const pick = <T>(values: readonly T[]): T => values[below(values.length)] ?? assert.fail('nothing to pick')
    const payload = Buffer.alloc(INITIAL_WINDOW_BYTES + 10, 'x')

    let frames = 0
    let violations = 0
    let survivors = 0
    let longest = 0

    while (frames < FRAMES) {
      const [carrier, far] = MemoryCarrier.pair()
      far.onMessage = () => {}
      const all: YamuxStream[] = []
      const use = (stream: YamuxStream) => {
        all.push(stream)
        const habit = below(6)
        if (habit === 0) stream.pipe(stream)
        else if (habit === 1) stream.resume()
        else if (habit === 2) stream.end('bye').resume()
        else if (habit === 3) stream.on('data', () => next() < 0.1 && stream.destroy())
        else if (habit === 4) stream.write(Buffer.alloc(below(400_000)))
      }
      const session = new YamuxSession(carrier, {
        role: pick(['client', 'server']),
        onStream: use,
        maxStreams: 20,
        maxBufferedBytes: MAX_BUFFERED_BYTES,
      })
      const sloppiness = pick([0, 0.001, 0.01, 0.3])
      const first = session.openStream()
      use(first)
      const theirs = first.id === 1 ? 2 : 1
      let opened = theirs - 2
      let inSession = 0
      const limit = 200 + below(4_000)
      while (session.isOpen && inSession < limit) {
        const burst: Buffer[] = []
        for (let i = below(40); i >= 0; i--) burst.push(randomFrame())
        inSession += burst.length
        const wire = Buffer.concat(burst)
        const cut = below(wire.length)
        carrier.onMessage(wire.subarray(0, cut))
        if (session.isOpen) carrier.onMessage(wire.subarray(cut))
        if (next() < 0.1 && session.isOpen) use(session.openStream())
        if (next() < 0.05) carrier.hold()
        if (next() < 0.1) carrier.release()
        if (next() < 0.2) await turn()
        assert.ok(session.bufferedBytes <= MAX_BUFFERED_BYTES, `${session.bufferedBytes} buffered`)
        assert.ok(session.bufferedBytes >= 0, `${session.bufferedBytes} buffered`)
        assert.ok(session.streamCount <= 20 + all.length)
      }
      frames += inSession
      longest = Math.max(longest, inSession)
      carrier.release()
      if (session.isOpen) {
        survivors++
        for (const stream of all) stream.destroy()
        assert.equal(session.bufferedBytes, 0)
        session.destroy()
        assert.equal(await session.closed, undefined)
      } else {
        violations++
        assert.equal((await session.closed)?.code, 'mux_violation')
      }
      assert.equal(session.streamCount, 0)
      assert.equal(session.bufferedBytes, 0)
      assert.ok(all.every((stream) => stream.destroyed))

      function randomFrame(): Buffer {
        const isWild = next() < sloppiness
        const kind = below(10)
        if (isWild && kind === 0) return Buffer.from(Array.from({ length: 12 }, () => below(256)))
        if (kind === 1) return frame(2, pick(isWild ? [0, 1, 2, 3] : [1, 2]), isWild ? below(3) : 0, below(5))
        if (kind === 2 || (isWild && kind === 3)) {
          opened += isWild ? pick([-2, 0, 1, 40]) : 2
          const flags = 1 | (next() < 0.2 ? 4 : 0) | (next() < 0.1 ? 8 : 0)
          return next() < 0.5 ? frame(1, flags, Math.max(0, opened), below(1_000)) : data(flags, Math.max(0, opened))
        }
        // One of the streams that were opened by either side, gone or not.
        const isNewest = next() < 0.3 && opened >= theirs
        const id = isWild ? below(60) : isNewest ? opened : pick(all).id
        const flags = (next() < 0.03 ? 4 : 0) | (next() < 0.02 ? 8 : 0) | (next() < 0.05 ? 2 : 0)
        if (kind < 5) return frame(1, flags, id, isWild ? pick([0xffff_ffff, 0x8000_0000, 1]) : below(100_000))
        return data(flags, id)
      }

      function data(flags: number, id: number): Buffer {
        const length = next() < 0.02 ? below(INITIAL_WINDOW_BYTES / 4) : below(200)
        return frame(0, flags, id, payload.subarray(0, length))
      }
    }
    assert.ok(violations > 20 && survivors > 20, `${violations} violations, ${survivors} survivors`)
    assert.ok(longest > 2_000, `longest session ${longest}`)
    await turn()
    const left = process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout')
    assert.ok(left.length <= 1, `timers left: ${left.length}`)
  })
})

// A peer that breaks the rules. In every case: GoAway or RST, bounded memory, and if the session survives, its other
// streams do, too.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'

import {
  FLAG_ACK,
  FLAG_FIN,
  FLAG_RST,
  FLAG_SYN,
  INITIAL_WINDOW_BYTES,
  TYPE_DATA,
  TYPE_GO_AWAY,
  TYPE_PING,
  TYPE_WINDOW_UPDATE,
  UINT32_MAX,
} from './frame.ts'
import { MemoryCarrier } from './memory-carrier.test-support.ts'
import { RawPeer, frame } from './raw-peer.test-support.ts'
import { YamuxSession } from './session.ts'
import type { YamuxSessionOptions } from './session-options.ts'
import type { YamuxStream } from './stream.ts'

const DATA = Buffer.from('data')

function attacked(options: Partial<YamuxSessionOptions> = {}) {
  const [left, right] = MemoryCarrier.pair()
  const streams: YamuxStream[] = []
  const session = new YamuxSession(left, {
    role: 'server',
    onStream: (stream) => {
      streams.push(stream)
      // Stream 1 is the sibling that must not notice; the others are left unread.
      if (stream.id === 1) stream.pipe(stream)
    },
    ...options,
  })
  return { session, streams, carrier: left, peer: new RawPeer(right) }
}

async function settle(turns = 10): Promise<void> {
  for (let i = 0; i < turns; i++) await turn()
}

/** Stream 1 still echoes. */
async function siblingLives(peer: RawPeer, session: YamuxSession): Promise<void> {
  const word = `still here ${peer.frames.length}`
  const isKnown = peer.frames.some(({ streamId }) => streamId === 1)
  peer.send(frame(TYPE_DATA, isKnown ? 0 : FLAG_SYN, 1, Buffer.from(word)))
  await peer.find(({ streamId, payload }) => streamId === 1 && payload.toString() === word)
  assert.ok(session.isOpen)
}

async function isViolation(...frames: Buffer[]): Promise<void> {
  const { session, streams, peer, carrier } = attacked()
  peer.send(...frames)
  const error = await session.closed
  assert.equal(error?.code, 'mux_violation')
  const goAway = await peer.find(({ type }) => type === TYPE_GO_AWAY)
  assert.equal(goAway.length, 1)
  assert.equal(carrier.closeCode, 1002)
  assert.equal(session.streamCount, 0)
  assert.equal(session.bufferedBytes, 0)
  assert.ok(streams.every((stream) => stream.destroyed))
}

describe('attack 36: ends the session with GoAway(1) on', () => {
  const open = frame(TYPE_WINDOW_UPDATE, FLAG_SYN, 3, 0)
  const cases: Record<string, Buffer[]> = {
    'a Data frame of 0xFFFFFFFF bytes': [open, frame(TYPE_DATA, 0, 3, UINT32_MAX)],
    'a Data frame of 0xFFFFFFFF bytes with its SYN': [frame(TYPE_DATA, FLAG_SYN, 3, UINT32_MAX)],
    'Data of 0xFFFFFFFF bytes for a closed stream': [
      frame(TYPE_WINDOW_UPDATE, FLAG_SYN | FLAG_RST, 3, 0),
      frame(TYPE_DATA, 0, 3, UINT32_MAX),
    ],
    'Data with SYN beyond the initial window': [frame(TYPE_DATA, FLAG_SYN, 3, INITIAL_WINDOW_BYTES + 1)],
    'data beyond the window': [
      open,
      frame(TYPE_DATA, 0, 3, Buffer.alloc(INITIAL_WINDOW_BYTES)),
      frame(TYPE_DATA, 0, 3, DATA),
    ],
    'credit beyond 2^32-1': [open, frame(TYPE_WINDOW_UPDATE, 0, 3, UINT32_MAX)],
    'credit that adds up beyond 2^32-1': [
      open,
      ...Array.from({ length: 5 }, () => frame(TYPE_WINDOW_UPDATE, 0, 3, 0x3fff_ffff)),
    ],
    'a second SYN for an open stream': [open, open],
    'a SYN for a stream that was closed': [open, frame(TYPE_WINDOW_UPDATE, FLAG_RST, 3, 0), open],
    'a SYN with an id of our parity': [frame(TYPE_WINDOW_UPDATE, FLAG_SYN, 2, 0)],
    'a SYN with id 0': [frame(TYPE_WINDOW_UPDATE, FLAG_SYN, 0, 0)],
    'data for a stream that was never opened': [frame(TYPE_DATA, 0, 3, DATA)],
    'data for a stream of ours that was never opened': [frame(TYPE_DATA, 0, 2, DATA)],
    'data for stream 0': [frame(TYPE_DATA, 0, 0, DATA)],
    'credit for a stream that was never opened': [frame(TYPE_WINDOW_UPDATE, 0, 5, 1)],
    'RST for a stream that was never opened': [frame(TYPE_WINDOW_UPDATE, FLAG_RST, 5, 0)],
    'another version': [Buffer.from('010000000000000000000000', 'hex')],
    'an unknown type': [Buffer.from('000400000000000000000000', 'hex')],
    'unknown flags': [Buffer.from('000000100000000100000000', 'hex')],
    'a ping that is neither question nor answer': [frame(TYPE_PING, 0, 0, 1)],
    'a ping on a stream': [frame(TYPE_PING, FLAG_SYN, 3, 1)],
    'GoAway on a stream': [frame(TYPE_GO_AWAY, 0, 3, 0)],
    HTTP: [Buffer.from('GET / HTTP/1.1\r\nhost: x\r\n\r\n')],
  }
  for (const [name, frames] of Object.entries(cases)) it(name, () => isViolation(...frames))
})

describe('attack 36: the session lives on after', () => {
  it('FIN, RST, data and credit in every state of a stream', async () => {
    const moves: Array<(id: number) => Buffer> = [
      (id) => frame(TYPE_DATA, 0, id, DATA),
      (id) => frame(TYPE_DATA, FLAG_FIN, id, DATA),
      (id) => frame(TYPE_WINDOW_UPDATE, FLAG_FIN, id, 0),
      (id) => frame(TYPE_WINDOW_UPDATE, FLAG_RST, id, 0),
      (id) => frame(TYPE_DATA, FLAG_RST, id, DATA),
      (id) => frame(TYPE_DATA, FLAG_FIN | FLAG_RST, id, DATA),
      (id) => frame(TYPE_WINDOW_UPDATE, FLAG_ACK, id, 5),
      (id) => frame(TYPE_WINDOW_UPDATE, 0, id, 5),
    ]
    const ours: Array<(stream: YamuxStream) => void> = [
      () => {},
      (stream) => stream.end(),
      (stream) => stream.end('some').resume(),
      (stream) => stream.destroy(),
      (stream) => stream.resume(),
    ]
    const { session, streams, peer } = attacked()
    await siblingLives(peer, session)
    let id = 1
    for (const ourMove of ours) {
      for (const first of moves) {
        for (const second of moves) {
          id += 2
          peer.send(frame(TYPE_WINDOW_UPDATE, FLAG_SYN, id, 0))
          await turn()
          await turn()
          const stream = streams.find((opened) => opened.id === id) ?? assert.fail(`no stream ${id}`)
          ourMove(stream)
          peer.send(first(id), second(id), frame(TYPE_DATA, 0, id, DATA))
          await turn()
          await turn()
        }
      }
    }
    await siblingLives(peer, session)
    for (const stream of streams) if (stream.id !== 1) stream.destroy()
    await settle()
    assert.equal(session.streamCount, 1)
    assert.equal(session.bufferedBytes, 0)
    session.destroy()
  })

  it('data after FIN: that stream is reset', async () => {
    const { session, streams, peer } = attacked()
    await siblingLives(peer, session)
    peer.send(frame(TYPE_DATA, FLAG_SYN | FLAG_FIN, 3, DATA), frame(TYPE_DATA, 0, 3, DATA))
    await peer.find(({ streamId, flags }) => streamId === 3 && (flags & FLAG_RST) !== 0)
    assert.ok(streams.find(({ id }) => id === 3)?.destroyed)
    await siblingLives(peer, session)
    session.destroy()
  })

  it('SYN, data and FIN in one frame', async () => {
    const { session, streams, peer } = attacked()
    peer.send(frame(TYPE_DATA, FLAG_SYN | FLAG_FIN | FLAG_ACK, 3, DATA))
    await peer.find(({ streamId }) => streamId === 3)
    let all = ''
    for await (const chunk of streams[0] ?? assert.fail()) all += String(chunk)
    assert.equal(all, 'data')
    session.destroy()
  })

  it('SYNs out of order, as hashicorp’s concurrent opens send them', async () => {
    const { session, streams, peer } = attacked()
    peer.send(...[7, 3, 5, 9].map((id) => frame(TYPE_DATA, FLAG_SYN, id, DATA)))
    await settle()
    assert.deepEqual(
      streams.map(({ id }) => id),
      [7, 3, 5, 9],
    )
    await siblingLives(peer, session)
    session.destroy()
  })

  it('a flood of SYN: streams beyond the limit are reset', async () => {
    const { session, peer } = attacked({ maxStreams: 100 })
    await siblingLives(peer, session)
    for (let i = 0; i < 100; i++) {
      peer.send(...Array.from({ length: 100 }, (_, j) => frame(TYPE_DATA, FLAG_SYN, 3 + 2 * (i * 100 + j), DATA)))
    }
    await settle(50)
    assert.equal(session.streamCount, 100)
    assert.equal(peer.frames.filter(({ flags }) => (flags & FLAG_RST) !== 0).length, 10_000 - 99)
    assert.ok(session.bufferedBytes <= 100 * DATA.length)
    await siblingLives(peer, session)
    session.destroy()
  })

  it('a flood of SYN with scattered ids: little is remembered', async () => {
    const { session, peer } = attacked({ maxStreams: 10 })
    const start = performance.now()
    for (let id = 1; id < 400_000; id += 20) peer.send(frame(TYPE_DATA, FLAG_SYN | FLAG_RST, id, 0))
    await settle(50)
    assert.ok(session.isOpen)
    assert.ok(performance.now() - start < 5_000)
    session.destroy()
  })

  it('a flood of pings from a peer that reads nothing: few answers wait', async () => {
    const { session, peer, carrier } = attacked()
    await settle()
    carrier.hold()
    const pings = Buffer.concat(Array.from({ length: 5_000 }, (_, i) => frame(TYPE_PING, FLAG_SYN, 0, i)))
    for (let i = 0; i < 20; i++) {
      peer.send(pings)
      await turn()
      await turn()
    }
    assert.ok(carrier.bufferedBytes < 64 * 1024, `${carrier.bufferedBytes} bytes of answers`)
    carrier.release()
    await siblingLives(peer, session)
    const answers = peer.frames.filter(({ type, flags }) => type === TYPE_PING && flags === FLAG_ACK).length
    assert.ok(answers > 0 && answers <= 20 * 64, `${answers} answers`)
    session.destroy()
  })

  it('a flood of empty frames in one chunk', async () => {
    const { session, streams, peer, carrier } = attacked()
    await siblingLives(peer, session)
    peer.send(frame(TYPE_WINDOW_UPDATE, FLAG_SYN, 3, 0))
    await settle()
    const before = carrier.messages
    const empty = frame(TYPE_DATA, 0, 3, 0)
    const credit = frame(TYPE_WINDOW_UPDATE, 0, 3, 0)
    const ack = frame(TYPE_WINDOW_UPDATE, FLAG_ACK, 3, 1)
    const late = frame(TYPE_PING, FLAG_ACK, 0, 99)
    for (const each of [empty, credit, ack, late]) {
      carrier.onMessage(Buffer.concat(Array.from({ length: 100_000 }, () => each)))
    }
    await settle()
    assert.ok(streams.every((stream) => !stream.destroyed))
    assert.equal(session.bufferedBytes, 0)
    assert.equal(carrier.messages, before)
    await siblingLives(peer, session)
    session.destroy()
  })

  it('a flood of one-byte frames to a reader that is paused', async () => {
    const { session, streams, peer, carrier } = attacked()
    await siblingLives(peer, session)
    peer.send(frame(TYPE_WINDOW_UPDATE, FLAG_SYN, 3, 0))
    await settle()
    const flood = Buffer.concat(Array.from({ length: 4096 }, (_, i) => frame(TYPE_DATA, 0, 3, Buffer.of(i))))
    for (let i = 0; i < INITIAL_WINDOW_BYTES / 4096; i++) carrier.onMessage(flood)
    const stalled = streams.find(({ id }) => id === 3) ?? assert.fail()
    assert.equal(session.bufferedBytes, INITIAL_WINDOW_BYTES)
    let chunks = 0
    let bytes = 0
    for (let chunk = stalled.read(); chunk; chunk = stalled.read()) {
      chunks++
      for (const byte of chunk) assert.equal(byte, bytes++ & 255)
    }
    assert.equal(bytes, INITIAL_WINDOW_BYTES)
    assert.ok(chunks < 100, `${chunks} buffers`)
    await siblingLives(peer, session)
    session.destroy()
  })

  it('data for a stream that we reset: always dropped', async () => {
    const { session, streams, peer } = attacked()
    await siblingLives(peer, session)
    peer.send(frame(TYPE_DATA, FLAG_SYN, 3, DATA))
    await settle()
    streams.find(({ id }) => id === 3)?.destroy()
    for (let i = 0; i < 20; i++) peer.send(frame(TYPE_DATA, 0, 3, Buffer.alloc(100_000)))
    peer.send(frame(TYPE_WINDOW_UPDATE, FLAG_FIN, 3, 77))
    await settle()
    assert.equal(session.bufferedBytes, 0)
    await siblingLives(peer, session)
    session.destroy()
  })

  it('a stream that is destroyed by its own reader in the middle of a frame', async () => {
    const { session, streams, peer, carrier } = attacked()
    await siblingLives(peer, session)
    peer.send(frame(TYPE_WINDOW_UPDATE, FLAG_SYN, 3, 0))
    await settle()
    const doomed = streams.find(({ id }) => id === 3) ?? assert.fail()
    doomed.on('data', () => doomed.destroy())
    const bytes = frame(TYPE_DATA, FLAG_FIN, 3, Buffer.alloc(1_000))
    carrier.onMessage(bytes.subarray(0, 500))
    carrier.onMessage(bytes.subarray(500))
    await siblingLives(peer, session)
    session.destroy()
  })

  it('GoAway again and again: told once', async () => {
    const { session, peer } = attacked()
    let told = 0
    session.onGoAway = () => told++
    const stream = session.openStream()
    peer.send(frame(TYPE_GO_AWAY, 0, 0, 0), frame(TYPE_GO_AWAY, 0, 0, 0))
    await settle()
    assert.equal(told, 1)
    assert.equal(stream.destroyed, false)
    session.destroy()
  })
})

describe('attack 36: the session ends, and the process does not, after', () => {
  it('data with SYN beyond the initial window, even if the stream is refused', async () => {
    const { session, peer } = attacked({ maxStreams: 0 })
    peer.send(frame(TYPE_DATA, FLAG_SYN, 3, INITIAL_WINDOW_BYTES + 1))
    assert.equal((await session.closed)?.code, 'mux_violation')
  })

  it('S2: bytes on which a listener of ours throws', async () => {
    const thrown = new TypeError('a bug of ours')
    const { session, peer } = attacked({
      onStream: () => {
        throw thrown
      },
    })
    peer.send(frame(TYPE_DATA, FLAG_SYN, 1, DATA))
    const error = await session.closed
    assert.deepEqual([error?.code, error?.cause], ['internal', thrown])
    assert.ok(await peer.find(({ type, length }) => type === TYPE_GO_AWAY && length === 2))
  })

  it('resets that the peer provokes and never reads', async () => {
    const { session, peer, carrier } = attacked({ maxStreams: 0 })
    carrier.hold()
    let id = 1
    while (session.isOpen && id < 1_000_000) {
      peer.send(
        ...Array.from({ length: 4_000 }, () => {
          id += 2
          return frame(TYPE_WINDOW_UPDATE, FLAG_SYN, id, 0)
        }),
      )
      await turn()
      await turn()
    }
    assert.equal((await session.closed)?.code, 'mux_violation')
    assert.ok(id < 200_000)
  })

  it('GoAway(1) and GoAway(2) from the peer', async () => {
    for (const [code, expected] of [
      [1, 'mux_violation'],
      [2, 'connection_lost'],
      [99, 'connection_lost'],
    ] as const) {
      const { session, peer } = attacked()
      const stream = session.openStream()
      peer.send(frame(TYPE_GO_AWAY, 0, 0, code))
      assert.equal((await session.closed)?.code, expected)
      assert.ok(stream.destroyed)
    }
  })
})

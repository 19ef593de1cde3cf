import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'

import { ProtocolError } from '../process/errors.ts'
import { FLAG_ACK, FLAG_FIN, FLAG_RST, FLAG_SYN, INITIAL_WINDOW_BYTES, TYPE_DATA, TYPE_PING } from './frame.ts'
import { MemoryCarrier } from './memory-carrier.test-support.ts'
import { RawPeer, frame } from './raw-peer.test-support.ts'
import { BufferBudget } from './buffer-budget.ts'
import { YamuxSession } from './session.ts'
import type { YamuxSessionOptions } from './session-options.ts'
import type { YamuxStream } from './stream.ts'

type Options = Partial<YamuxSessionOptions>

function pair({ near = {}, far = {} }: { near?: Options; far?: Options } = {}) {
  const [left, right] = MemoryCarrier.pair()
  const accepted: YamuxStream[] = []
  const waiting: Array<(stream: YamuxStream) => void> = []
  const onStream = (stream: YamuxStream) => {
    const resolve = waiting.shift()
    if (resolve) resolve(stream)
    else accepted.push(stream)
  }
  const server = new YamuxSession(right, { role: 'server', onStream, ...far })
  const client = new YamuxSession(left, { role: 'client', ...near })
  const accept = (): Promise<YamuxStream> => {
    const stream = accepted.shift()
    return stream ? Promise.resolve(stream) : new Promise((resolve) => waiting.push(resolve))
  }
  return { client, server, left, right, accept }
}

async function settle(turns = 20): Promise<void> {
  for (let i = 0; i < turns; i++) await turn()
}

async function text(stream: YamuxStream): Promise<string> {
  let all = ''
  for await (const chunk of stream) all += String(chunk)
  return all
}

function echo(stream: YamuxStream): void {
  stream.pipe(stream)
}

/** Unlike `once(stream, 'close')`, does not mind an error, and listens to none. */
function closeOf(stream: YamuxStream): Promise<void> {
  return new Promise((resolve) => stream.once('close', resolve))
}

const isCode = (code: string) => (error: unknown) => error instanceof ProtocolError && error.code === code

describe('a stream', () => {
  it('carries bytes both ways and ends when both sides have', async () => {
    const { client, server, accept } = pair()
    const near = client.openStream()
    near.end('question')
    const far = await accept()
    assert.equal(await text(far), 'question')
    far.end('answer')
    assert.equal(await text(near), 'answer')
    await settle()
    assert.equal(client.streamCount + server.streamCount, 0)
    assert.ok(client.isOpen && server.isOpen)
    await client.close()
  })

  it('can be opened from both sides, with odd and even ids', () => {
    const { client, server } = pair()
    assert.deepEqual([client.openStream().id, client.openStream().id], [1, 3])
    assert.deepEqual([server.openStream().id, server.openStream().id], [2, 4])
    client.destroy()
    server.destroy()
  })

  it('keeps receiving after it half-closed', async () => {
    const { client, accept } = pair()
    const near = client.openStream()
    near.end()
    const far = await accept()
    assert.equal(await text(far), '')
    far.write('one ')
    await settle()
    far.end('two')
    assert.equal(await text(near), 'one two')
    await client.close()
  })

  it('keeps sending after the peer half-closed', async () => {
    const { client, accept } = pair()
    const near = client.openStream()
    near.write('x')
    const far = await accept()
    far.end('done')
    assert.equal(await text(near), 'done')
    assert.equal(near.destroyed, false)
    near.write('still ')
    await settle()
    near.end('here')
    assert.equal(await text(far), 'xstill here')
    await client.close()
  })

  it('delivers a small message in the turn of its arrival to a reader that listens', async () => {
    const { client, left, right, accept } = pair()
    const near = client.openStream()
    near.write('first')
    const far = await accept()
    const seen: string[] = []
    far.on('data', (chunk: Buffer) => seen.push(chunk.toString()))
    await settle()
    left.hold()
    near.write('second')
    await settle()
    left.release(1)
    assert.deepEqual(seen, ['first', 'second'])
    left.release()
    client.destroy()
    assert.equal(right.bufferedBytes, 0)
  })

  it('attack 36: a paused reader holds the writer, in bounded memory', async () => {
    const { client, server, accept } = pair()
    const near = client.openStream()
    let written = 0
    const pump = () => {
      do written += 16 * 1024
      while (near.write(Buffer.alloc(16 * 1024)) && written < 50e6)
    }
    near.on('drain', pump)
    pump()
    const far = await accept()
    await settle(100)
    assert.ok(written >= INITIAL_WINDOW_BYTES, `only ${written}`)
    assert.ok(written <= INITIAL_WINDOW_BYTES + 256 * 1024, `${written} accepted`)
    assert.ok(server.bufferedBytes <= INITIAL_WINDOW_BYTES)
    assert.equal(server.bufferedBytes, INITIAL_WINDOW_BYTES)
    near.off('drain', pump)
    near.end()
    let read = 0
    for await (const chunk of far) read += (chunk as Buffer).length // Buffers, as no encoding is set
    assert.equal(read, written)
    assert.equal(server.bufferedBytes, 0)
    client.destroy()
  })

  it('gives credit on read, not on receipt', async () => {
    const [left, right] = MemoryCarrier.pair()
    let stream: YamuxStream | undefined
    const session = new YamuxSession(left, { role: 'server', onStream: (opened) => (stream = opened) })
    const peer = new RawPeer(right)
    peer.send(frame(TYPE_DATA, FLAG_SYN, 1, Buffer.alloc(INITIAL_WINDOW_BYTES)))
    await peer.find(({ streamId, flags }) => streamId === 1 && flags === FLAG_ACK)
    await settle()
    assert.deepEqual(
      peer.frames.filter(({ streamId, length }) => streamId === 1 && length > 0),
      [],
    )
    assert.equal(session.bufferedBytes, INITIAL_WINDOW_BYTES)
    assert.ok(stream)
    let read = 0
    while (read < INITIAL_WINDOW_BYTES / 2) read += stream.read()?.length ?? assert.fail('nothing to read')
    await peer.find(({ streamId, length }) => streamId === 1 && length === read)
    assert.equal(session.bufferedBytes, INITIAL_WINDOW_BYTES - read)
    session.destroy()
  })

  it('can be read in exact portions', async () => {
    const { client, server, accept } = pair()
    const near = client.openStream()
    near.end('0123456789')
    const far = await accept()
    await settle()
    const portions: string[] = []
    far.on('readable', () => {
      for (let portion = far.read(4); portion; portion = far.read(4)) portions.push(portion.toString())
    })
    await once(far, 'end')
    assert.deepEqual(portions, ['0123', '4567', '89'])
    assert.equal(server.bufferedBytes, 0)
    client.destroy()
  })

  it('real-apps 2: sends the written bytes, then RST, if it should end after its writes', async () => {
    const { client, server, accept } = pair()
    const near = client.openStream()
    const words = Buffer.alloc(2 * INITIAL_WINDOW_BYTES, 'w') // more than can leave at once
    near.write(words)
    near.resetAfterWrites()
    assert.ok(!near.destroyed)
    const far = await accept()
    const received: Buffer[] = []
    far.on('data', (chunk: Buffer) => received.push(chunk))
    const [error] = await once(far, 'error')
    assert.ok(isCode('stream_reset')(error))
    assert.ok(Buffer.concat(received).equals(words))
    await settle()
    assert.equal(client.streamCount + server.streamCount, 0)
    const quiet = client.openStream()
    quiet.resetAfterWrites()
    assert.ok(quiet.destroyed)
  })

  it('reports the peer’s RST as an error, without ending the process if there is no listener', async () => {
    const { client, server, accept } = pair()
    const near = client.openStream()
    near.write('x')
    const far = await accept()
    near.reset()
    const [error] = await once(far, 'error')
    assert.ok(isCode('stream_reset')(error))
    await settle()
    assert.equal(client.streamCount + server.streamCount, 0)
    const quiet = client.openStream()
    quiet.write('x')
    const other = await accept()
    quiet.destroy()
    await closeOf(other)
    client.destroy()
  })

  it('sends nothing if it is destroyed before its SYN has left', async () => {
    const [left, right] = MemoryCarrier.pair()
    const session = new YamuxSession(left, { role: 'client' })
    const peer = new RawPeer(right)
    const stream = session.openStream()
    stream.write('never')
    stream.destroy()
    await settle()
    assert.deepEqual(
      peer.frames.filter(({ type }) => type !== TYPE_PING),
      [],
    )
    assert.equal(session.streamCount, 0)
    session.destroy()
  })

  it('fails the writes that were waiting when it is destroyed', async () => {
    const { client, accept } = pair()
    const near = client.openStream()
    near.write(Buffer.alloc(INITIAL_WINDOW_BYTES))
    const failed = new Promise((resolve) => near.write(Buffer.alloc(100_000), resolve))
    const far = await accept()
    await settle()
    far.destroy()
    assert.ok((await failed) instanceof Error)
    client.destroy()
  })
})

describe('a session', () => {
  it('combines SYN, data and ACK, and many streams, into one message for each turn', async () => {
    const [left, right] = MemoryCarrier.pair()
    const session = new YamuxSession(left, { role: 'client' })
    const peer = new RawPeer(right)
    await settle()
    const before = left.messages
    for (let i = 0; i < 11; i++) session.openStream().write(`stream ${i}`)
    assert.equal(left.messages, before)
    await peer.find(({ streamId }) => streamId === 21)
    assert.equal(left.messages, before + 1)
    const data = peer.frames.filter(({ streamId }) => streamId > 0)
    assert.equal(data.length, 11)
    assert.ok(data.every(({ type, flags }) => type === TYPE_DATA && flags === FLAG_SYN))
    session.destroy()
  })

  it('lets the peer begin on a dozen streams while this turn continues', async () => {
    const [left, right] = MemoryCarrier.pair()
    const session = new YamuxSession(left, { role: 'client' })
    const peer = new RawPeer(right)
    await settle()
    const before = left.messages
    for (let i = 0; i < 30; i++) session.openStream().write(`stream ${i}`)
    assert.equal(left.messages, before + 2)
    await peer.find(({ streamId }) => streamId === 59)
    assert.equal(left.messages, before + 3)
    assert.equal(peer.frames.filter(({ type }) => type === TYPE_DATA).length, 30)
    session.destroy()
  })

  it('sends 32 KiB at once, without waiting for the end of the turn', async () => {
    const { client, left } = pair()
    const stream = client.openStream()
    await settle()
    const before = left.messages
    stream.write(Buffer.alloc(1_000))
    assert.equal(left.messages, before)
    stream.write(Buffer.alloc(32 * 1024))
    assert.ok(left.messages > before)
    client.destroy()
  })

  it('sends no RST for a stream that both sides have ended', async () => {
    const [left, right] = MemoryCarrier.pair()
    const session = new YamuxSession(left, { role: 'server', onStream: (stream) => stream.pipe(stream) })
    const peer = new RawPeer(right)
    peer.send(frame(TYPE_DATA, FLAG_SYN | FLAG_FIN, 1, Buffer.from('all')))
    await peer.find(({ streamId, flags }) => streamId === 1 && (flags & FLAG_FIN) !== 0)
    await settle()
    assert.equal(session.streamCount, 0)
    assert.ok(peer.frames.every(({ flags }) => (flags & FLAG_RST) === 0))
    session.destroy()
  })

  it('keeps at most 128 KiB in the carrier and frames of at most 64 KiB', async () => {
    const [left, right] = MemoryCarrier.pair()
    const session = new YamuxSession(left, { role: 'client' })
    const peer = new RawPeer(right)
    left.hold()
    for (let i = 0; i < 8; i++) session.openStream().write(Buffer.alloc(200_000))
    await settle()
    left.release()
    await settle(50)
    assert.ok(left.largestBufferedBytes > 64 * 1024 && left.largestBufferedBytes <= 128 * 1024)
    assert.equal(
      peer.frames.reduce((sum, { payload }) => sum + payload.length, 0),
      8 * 200_000,
    )
    assert.ok(peer.frames.every(({ payload }) => payload.length <= 64 * 1024))
    session.destroy()
  })

  it('serves a small stream while bulk ones saturate a slow carrier', async () => {
    const [left, right] = MemoryCarrier.pair()
    const session = new YamuxSession(left, { role: 'client' })
    const peer = new RawPeer(right)
    await settle()
    left.hold()
    for (let i = 0; i < 10; i++) session.openStream().write(Buffer.alloc(INITIAL_WINDOW_BYTES))
    await settle()
    const small = session.openStream()
    small.write('ping')
    let messages = 0
    while (!peer.frames.some(({ streamId, payload }) => streamId === small.id && payload.length > 0)) {
      left.release(1)
      await turn()
      assert.ok(++messages < 6, 'the small stream waits for the bulk')
    }
    session.destroy()
  })

  it('sends pings, credit and RST before data that waits', async () => {
    const [left, right] = MemoryCarrier.pair()
    const session = new YamuxSession(left, { role: 'client' })
    const peer = new RawPeer(right)
    const doomed = session.openStream()
    await settle()
    left.hold()
    for (let i = 0; i < 4; i++) session.openStream().write(Buffer.alloc(200_000))
    await settle()
    const answer = session.ping()
    doomed.destroy()
    const waiting = left.bufferedBytes
    left.release(2)
    await turn()
    const received = () => peer.frames.reduce((sum, { payload }) => sum + 12 + payload.length, 0)
    left.release(1)
    assert.ok(peer.frames.some(({ type, streamId }) => type === TYPE_PING && streamId === 0))
    assert.ok(peer.frames.some(({ flags, streamId }) => flags === FLAG_RST && streamId === doomed.id))
    assert.ok(received() < waiting + 80 * 1024)
    session.destroy()
    await assert.rejects(answer)
  })

  it('resets streams if they are not accepted', async () => {
    const [left, right] = MemoryCarrier.pair()
    const server = new YamuxSession(right, { role: 'server' })
    const client = new YamuxSession(left, { role: 'client' })
    const stream = client.openStream()
    stream.write('x')
    const [error] = await once(stream, 'error')
    assert.ok(isCode('stream_reset')(error))
    assert.ok(server.isOpen)
    client.destroy()
  })

  it('measures the round trip', async () => {
    const { client } = pair()
    assert.ok((await client.ping()) >= 0)
    assert.ok(client.roundTripMs !== undefined)
    client.destroy()
    await assert.rejects(client.ping(), isCode('session_closed'))
  })

  it('drains after GoAway: existing streams continue, new ones are refused on both sides', async () => {
    const { client, server, accept } = pair({ far: {} })
    const near = client.openStream()
    near.write('before ')
    const far = await accept()
    const heard = new Promise<void>((resolve) => (client.onGoAway = resolve))
    server.goAway()
    assert.equal(server.isOpen, false)
    assert.throws(() => server.openStream(), isCode('session_closed'))
    await heard
    assert.equal(client.isOpen, false)
    assert.throws(() => client.openStream(), isCode('session_closed'))
    near.end('after')
    assert.equal(await text(far), 'before after')
    far.end('bye')
    assert.equal(await text(near), 'bye')
    client.destroy()
  })

  it('serves a stream whose SYN crossed our GoAway', async () => {
    const { client, server, accept } = pair({ far: {} })
    const near = client.openStream()
    near.end('crossing')
    server.goAway()
    const far = await accept()
    assert.equal(await text(far), 'crossing')
    client.destroy()
  })

  it('close() waits for streams, then ends both sides without an error', async () => {
    const { client, server, accept } = pair()
    const near = client.openStream()
    near.write('x')
    const far = await accept()
    const closing = client.close()
    assert.equal(client.close(), closing)
    await settle()
    assert.equal(client.streamCount, 1)
    far.end('last words')
    near.end()
    far.resume()
    assert.equal(await text(near), 'last words')
    await closing
    assert.equal(await client.closed, undefined)
    assert.equal(await server.closed, undefined)
  })

  it('close() resets streams that are still open at the deadline', async () => {
    const { client, server, accept } = pair()
    const near = client.openStream()
    near.write('x')
    const far = await accept()
    const failed = once(far, 'error')
    await client.close({ deadlineMs: 10 })
    assert.ok(near.destroyed)
    const [error] = await failed
    assert.ok(isCode('stream_reset')(error))
    assert.equal(await server.closed, undefined)
  })

  it('destroy() ends every stream and both sessions', async () => {
    const { client, server, accept } = pair()
    const near = client.openStream()
    near.write('x')
    const far = await accept()
    const ends = [closeOf(near), closeOf(far)]
    client.destroy(new ProtocolError('internal', 'no more'))
    assert.throws(() => client.openStream(), isCode('session_closed'))
    await Promise.all(ends)
    assert.ok(isCode('internal')(await client.closed))
    assert.ok(isCode('connection_lost')(await server.closed))
  })

  it('survives the loss of its carrier', async () => {
    const { client, left, accept } = pair()
    const near = client.openStream()
    near.write('x')
    await accept()
    left.onClose(new Error('cable cut'))
    const [error] = await once(near, 'error')
    assert.ok(isCode('connection_lost')(error))
    assert.ok(isCode('connection_lost')(await client.closed))
  })

  it('attack 40: a peer that says nothing is declared silent', async () => {
    const [left] = MemoryCarrier.pair()
    const session = new YamuxSession(left, { role: 'client', pingIntervalMs: 10, silenceLimitMs: 30 })
    const stream = session.openStream()
    const alive = setInterval(() => {}, 1_000) // our timers alone do not keep a process alive
    assert.ok(isCode('silent')(await session.closed))
    clearInterval(alive)
    assert.ok(stream.destroyed)
  })

  it('takes half a message for a sign of life', async () => {
    const [left] = MemoryCarrier.pair()
    const session = new YamuxSession(left, { role: 'client', pingIntervalMs: 10, silenceLimitMs: 60 })
    let ticks = 0
    await new Promise<void>((resolve) => {
      const timer = setInterval(() => {
        left.bytesRead++
        if (++ticks < 20) return
        clearInterval(timer)
        resolve()
      }, 10)
    })
    assert.ok(session.isOpen)
    session.destroy()
  })

  it('checks again after a stall of the event loop before it declares the peer dead', async () => {
    const [left] = MemoryCarrier.pair()
    const session = new YamuxSession(left, { role: 'client', pingIntervalMs: 1_000, silenceLimitMs: 60 })
    await settle(2)
    const stallEnds = performance.now() + 150
    while (performance.now() < stallEnds);
    // The answer waits in the socket: it is read in the first turn after the timers.
    await turn()
    left.bytesRead++
    await settle(5)
    assert.ok(session.isOpen)
    session.destroy()
  })

  it('attack 36: at the cap of unread bytes resets the longest stalled stream; its siblings notice nothing', async () => {
    const { client, server, accept } = pair({ far: { maxBufferedBytes: 600_000 } })
    const lively = client.openStream()
    lively.write('hello')
    const livelyFar = await accept()
    echo(livelyFar)
    const stalled: YamuxStream[] = []
    for (let i = 0; i < 3; i++) {
      const stream = client.openStream()
      stream.write(Buffer.alloc(250_000))
      stalled.push(await accept())
      await settle()
    }
    assert.ok(isCode('buffer_exhausted')(stalled[0]?.errored))
    assert.deepEqual(
      stalled.map((stream) => stream.destroyed),
      [true, false, false],
    )
    assert.ok(server.bufferedBytes <= 600_000)
    await settle()
    lively.end(' again')
    assert.equal(await text(lively), 'hello again')
    client.destroy()
  })

  it('attack 36: sessions that share a budget stay within it together, and give it back when they end', async () => {
    const budget = new BufferBudget(600_000)
    const pairs = [pair({ far: { budget } }), pair({ far: { budget } })]
    const far: YamuxStream[] = []
    for (let i = 0; i < 4; i++) {
      const { client, accept } = pairs[i % 2]! // two pairs
      client.openStream().write(Buffer.alloc(250_000))
      far.push(await accept())
      await settle()
    }
    assert.ok(!budget.isPast(1))
    // The session that held more gave up one of its streams: the third belongs to the first pair, like stream 0.
    assert.deepEqual(
      far.map((stream) => stream.destroyed),
      [true, true, false, false],
    )
    for (const { client, server } of pairs) {
      client.destroy()
      await server.closed
    }
    assert.ok(!budget.isPast(0))
  })

  it('attack 36: past a shared budget, the session that holds most gives up a stream', async () => {
    const budget = new BufferBudget(600_000)
    const [hoarder, modest] = [pair({ far: { budget } }), pair({ far: { budget } })]
    const open = async ({ client, accept }: typeof modest, bytes: number): Promise<YamuxStream> => {
      client.openStream().write(Buffer.alloc(bytes))
      const stream = await accept()
      await settle()
      return stream
    }
    const kept = await open(modest, 10_000)
    const hoarded = [await open(hoarder, 250_000), await open(hoarder, 250_000)]
    const last = await open(modest, 150_000)
    assert.deepEqual(
      [kept, ...hoarded, last].map((stream) => stream.destroyed),
      [false, true, false, false],
    )
    hoarder.client.destroy()
    modest.client.destroy()
  })

  describe('reliability 4: a slow but steady reader is not cut', () => {
    /** Opens a download without end; `read` is one step of its reader, `left` is the number of waiting bytes. */
    async function download({ client, accept }: ReturnType<typeof pair>): Promise<YamuxStream> {
      const near = client.openStream()
      const more = (): void => {
        while (near.writable && near.write(Buffer.alloc(16_384)));
      }
      near.on('drain', more)
      more()
      return accept()
    }

    it('windows of slow readers shrink if memory is short, so all of them fit', async () => {
      const READERS = 12
      // Eight windows of the initial size fit. With the ninth, room is short, but no stream has been cut.
      const far = { maxBufferedBytes: 16 * INITIAL_WINDOW_BYTES }
      const ends = pair({ far })
      const readers: YamuxStream[] = []
      for (let i = 0; i < READERS; i++) {
        readers.push(await download(ends))
        await settle()
      }
      const begun = ends.server.bufferedBytes
      for (let round = 0; round < 60; round++) {
        for (const reader of readers) reader.read()
        await settle(4)
      }
      assert.ok(begun > 0.7 * far.maxBufferedBytes, String(begun))
      assert.ok(ends.server.bufferedBytes <= 0.5 * far.maxBufferedBytes + 65_536, String(ends.server.bufferedBytes))
      // Now there is room for the same number again.
      for (let i = 0; i < READERS / 2; i++) readers.push(await download(ends))
      for (let round = 0; round < 30; round++) {
        for (const reader of readers) reader.read()
        await settle(4)
      }
      assert.deepEqual(new Set(readers.map((reader) => reader.destroyed)), new Set([false]))
      ends.client.destroy()
    })

    it('a long stalled reader goes before memory is full, a moving one only once it is', async () => {
      const far = { maxBufferedBytes: 4 * INITIAL_WINDOW_BYTES, stallLimitMs: 500 } // a busy machine stalls for 50
      const ends = pair({ far })
      const still = await download(ends)
      const steady = await download(ends)
      await settle()
      const since = performance.now()
      while (performance.now() - since < 1.2 * far.stallLimitMs) {
        steady.read()
        await new Promise((resolve) => setTimeout(resolve, 50)) // a faster reader has a growing window, and takes the room
      }
      assert.equal(still.destroyed, false, 'there is room')
      const third = await download(ends)
      const fourth = await download(ends)
      await settle()
      assert.ok(isCode('buffer_exhausted')(still.errored))
      assert.deepEqual(
        [steady, third, fourth].map((stream) => stream.destroyed),
        [false, false, false],
      )
      const more = [await download(ends), await download(ends), await download(ends)]
      await settle()
      assert.ok(ends.server.bufferedBytes <= far.maxBufferedBytes, 'the bound itself does not wait')
      assert.ok([steady, third, fourth, ...more].some((stream) => stream.destroyed))
      ends.client.destroy()
    })

    it('the bound of a session follows the memory, within limits, and workers share it', () => {
      const GIB = 1024 ** 3
      const shares = [0.25, 1, 4].map((gib) => BufferBudget.ofHeap(gib * GIB))
      assert.deepEqual(
        shares.map(({ maxBytes, sessionMaxBytes }) => [maxBytes / GIB, sessionMaxBytes / GIB]),
        [
          [1 / 16, 1 / 32],
          [1 / 4, 1 / 16],
          [1, 1 / 4],
        ],
      )
      assert.equal(BufferBudget.ofHeap(4 * GIB, 4).maxBytes, GIB / 4)
      assert.equal(BufferBudget.ofHeap(4 * GIB, 1, 5_000_000).sessionMaxBytes, 5_000_000)
    })
  })

  it('a reader that moves is not the longest stalled', async () => {
    const { client, accept } = pair({ far: { maxBufferedBytes: 600_000 } })
    const far: YamuxStream[] = []
    const open = async () => {
      client.openStream().write(Buffer.alloc(250_000))
      far.push(await accept())
      await settle()
    }
    await open()
    await open()
    far[0]?.read()
    await open()
    assert.deepEqual(
      far.map((stream) => stream.destroyed),
      [false, true, false],
    )
    client.destroy()
  })

  it('a reader that moved once can still be the longest stalled', async () => {
    const { client, server, accept } = pair({ far: { maxBufferedBytes: 600_000 } })
    const far: YamuxStream[] = []
    for (let i = 0; i < 6; i++) {
      client.openStream().write(Buffer.alloc(250_000))
      const stream = await accept()
      far.push(stream)
      await settle()
      stream.read()
    }
    assert.ok(server.bufferedBytes <= 600_000)
    assert.deepEqual(
      far.map((stream) => stream.destroyed),
      [true, true, true, true, false, false],
    )
    client.destroy()
  })

  it('moves megabytes on many streams at once, both ways, intact', async () => {
    const { client, server, accept } = pair()
    const exchanges = Array.from({ length: 20 }, async (_, i) => {
      const stream = client.openStream()
      const sent = randomBytes(500_000 + i * 1_000)
      stream.end(sent)
      const hash = createHash('sha256')
      for await (const chunk of stream) hash.update(chunk as Buffer) // Buffers, as no encoding is set
      assert.equal(hash.digest('hex'), createHash('sha256').update(sent).digest('hex'))
    })
    for (let i = 0; i < 20; i++) echo(await accept())
    await Promise.all(exchanges)
    await settle()
    assert.equal(client.streamCount + server.streamCount + client.bufferedBytes + server.bufferedBytes, 0)
    await client.close()
  })
})

import assert from 'node:assert/strict'
import { Duplex, duplexPair } from 'node:stream'
import { describe, it } from 'node:test'

import { ControlChannel } from './control-channel.ts'
import { CONTROL_MESSAGE_MAX_BYTES } from './control.ts'
import type { ControlMessage } from './control.ts'
import { ProtocolError } from '../process/errors.ts'

interface Listening {
  channel: ControlChannel
  messages: ControlMessage[]
  ended: Promise<ProtocolError | undefined>
}

function listen(stream: Duplex, onMessage: (message: ControlMessage) => void = () => {}): Listening {
  const messages: ControlMessage[] = []
  const { promise: ended, resolve } = Promise.withResolvers<ProtocolError | undefined>()
  const channel = new ControlChannel(stream, {
    onMessage: (message) => {
      messages.push(message)
      onMessage(message)
    },
    onEnd: resolve,
  })
  return { channel, messages, ended }
}

function frame(value: unknown): Buffer {
  const json = Buffer.from(JSON.stringify(value))
  const length = Buffer.alloc(4)
  length.writeUInt32BE(json.length)
  return Buffer.concat([length, json])
}

const notice = (text: string): ControlMessage => ({ type: 'notice', level: 'info', text })

describe('ControlChannel', () => {
  it('carries messages both ways, in order', async () => {
    const [left, right] = duplexPair()
    const here = listen(left)
    const there = listen(right, (message) => there.channel.send(message))
    for (let count = 0; count < 100; count++) here.channel.send(notice(`${count}`))
    left.end()
    await there.ended
    right.end()
    await here.ended
    assert.deepEqual(
      here.messages,
      Array.from({ length: 100 }, (_, count) => notice(`${count}`)),
    )
  })

  it('S2: ends if its owner throws on a message, and throws nothing itself', async () => {
    const [left, right] = duplexPair()
    const thrown = new TypeError('a bug of ours')
    const { ended, messages } = listen(right, () => {
      throw thrown
    })
    left.write(Buffer.concat([frame(notice('first')), frame(notice('second'))]))
    const error = await ended
    assert.deepEqual([error?.code, error?.cause], ['internal', thrown])
    assert.deepEqual(messages, [notice('first')])
  })

  it('attack 36: understands two messages split at every byte', async () => {
    const bytes = Buffer.concat([frame(notice('first')), frame(notice('é second'))])
    for (let at = 1; at < bytes.length; at++) {
      const [left, right] = duplexPair()
      const { messages, ended } = listen(right)
      left.write(bytes.subarray(0, at))
      // A pair delivers a write as one chunk; the second must not join the first.
      await new Promise((resolve) => setImmediate(resolve))
      left.end(bytes.subarray(at))
      assert.equal(await ended, undefined)
      assert.deepEqual(messages, [notice('first'), notice('é second')], `split at ${at}`)
    }
  })

  it('attack 36: understands a message of the greatest size that comes byte by byte', async () => {
    const padding = 'x'.repeat(CONTROL_MESSAGE_MAX_BYTES - JSON.stringify({ ...notice('big'), padding: '' }).length)
    const bytes = frame({ ...notice('big'), padding })
    assert.equal(bytes.length, 4 + CONTROL_MESSAGE_MAX_BYTES)
    const stream = new Duplex({ read() {}, write() {} })
    const { messages, ended } = listen(stream)
    for (const byte of bytes) stream.push(Buffer.from([byte]))
    stream.push(null)
    await ended
    assert.deepEqual(messages, [notice('big')])
  })

  for (const length of [CONTROL_MESSAGE_MAX_BYTES + 1, 0x7fff_ffff, 0xffff_ffff]) {
    it(`attack 36: a length of ${length} ends the channel before any of it is kept`, async () => {
      const [left, right] = duplexPair()
      const { ended } = listen(right)
      const bytes = Buffer.alloc(4)
      bytes.writeUInt32BE(length)
      left.write(bytes)
      assert.equal((await ended)?.code, 'control_violation')
    })
  }

  it('attack 36: a message of no bytes, or one that is not JSON, ends the channel; later ones are ignored', async () => {
    for (const broken of [Buffer.alloc(4), Buffer.from([0, 0, 0, 2, 0x7b, 0x7b])]) {
      const [left, right] = duplexPair()
      const { messages, ended } = listen(right)
      left.write(Buffer.concat([frame(notice('before')), broken, frame(notice('after'))]))
      assert.equal((await ended)?.code, 'control_violation')
      assert.deepEqual(messages, [notice('before')])
    }
  })

  it('ignores unknown messages', async () => {
    const [left, right] = duplexPair()
    const { messages, ended } = listen(right)
    left.end(Buffer.concat([frame({ type: 'sing' }), frame(notice('known'))]))
    assert.equal(await ended, undefined)
    assert.deepEqual(messages, [notice('known')])
  })

  it('distinguishes an end in order from a cut and from an error', async () => {
    const inOrder = duplexPair()
    const ordered = listen(inOrder[1])
    inOrder[0].end()
    assert.equal(await ordered.ended, undefined)

    const cut = new Duplex({ read() {}, write() {} })
    const cutEnd = listen(cut).ended
    cut.destroy()
    assert.equal((await cutEnd)?.code, 'connection_lost')

    const reset = new Duplex({ read() {}, write() {} })
    const resetEnd = listen(reset).ended
    reset.destroy(new ProtocolError('stream_reset'))
    assert.equal((await resetEnd)?.code, 'stream_reset')
  })

  it('ends the channel with the error that its owner throws at a message', async () => {
    const [left, right] = duplexPair()
    const { ended } = listen(right, () => {
      throw new ProtocolError('control_violation', 'not now')
    })
    left.write(frame(notice('x')))
    assert.equal((await ended)?.message, 'not now')
  })

  it('gives up a peer that does not read, and keeps no more than a bound for it', async () => {
    const stuck = new Duplex({ read() {}, write() {} })
    const { channel, ended } = listen(stuck)
    for (let count = 0; count < 2000; count++) channel.send(notice('x'.repeat(1000)))
    assert.equal((await ended)?.code, 'control_violation')
    assert.ok(stuck.writableLength < 1_200_000)
  })

  it('sends nothing after the end, and does not throw', async () => {
    const [left, right] = duplexPair()
    const { channel, ended } = listen(right)
    left.end()
    await ended
    right.destroy()
    channel.send(notice('late'))
  })

  it('S9: reads as much as the peer may send, and the rest later, in order', async () => {
    const [left, right] = duplexPair()
    const messages: string[] = []
    const { promise: ended, resolve } = Promise.withResolvers<ProtocolError | undefined>()
    let overdrawn = 0
    void new ControlChannel(right, {
      onMessage: (message) => message.type === 'notice' && messages.push(message.text),
      onEnd: resolve,
      rate: { atOnce: 5, perSecond: 20 },
      onOverdrawn: () => overdrawn++,
    })
    const since = performance.now()
    // All in one chunk, so the messages that came with it must wait as well.
    left.write(Buffer.concat(Array.from({ length: 10 }, (_, count) => frame(notice(`${count}`)))))
    for (let count = 10; count < 20; count++) left.write(frame(notice(`${count}`)))
    left.end()
    await new Promise((resolve_) => setImmediate(resolve_))
    assert.equal(messages.length, 5)
    assert.equal(right.isPaused(), true)
    assert.equal(await ended, undefined)
    assert.deepEqual(
      messages,
      Array.from({ length: 20 }, (_, count) => `${count}`),
    )
    assert.ok(performance.now() - since > 500, 'fifteen of them at 20 a second')
    assert.equal(overdrawn, 1)
  })
})

import assert from 'node:assert/strict'
import { Duplex, PassThrough } from 'node:stream'
import { describe, it } from 'node:test'

import { ProtocolError } from '../process/errors.ts'
import {
  REPLY_OK,
  decodeStreamHeader,
  decodeStreamReply,
  encodeRefusal,
  encodeStreamHeader,
  readStreamHeader,
} from './stream-header.ts'
import type { StreamHeader } from './stream-header.ts'

const header: StreamHeader = { tunnelId: 0xdead_beef, visitor: '2001:db8::7', protocol: 'http1' }
const isViolation = (error: unknown): boolean => error instanceof ProtocolError && error.code === 'mux_violation'
const isLost = (error: unknown): boolean => error instanceof ProtocolError && error.code === 'connection_lost'

/** A stream whose incoming bytes the test pushes by hand. */
function makeStream(): Duplex {
  return new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() }).on('error', () => {})
}

describe('stream header', () => {
  it('comes back as it was sent, for every protocol and the smallest and greatest tunnel id', () => {
    for (const protocol of ['http1', 'http2'] as const) {
      for (const tunnelId of [0, 1, 0xffff_ffff]) {
        const bytes = encodeStreamHeader({ tunnelId, visitor: '192.0.2.1', protocol })
        const decoded = decodeStreamHeader(bytes)
        assert.deepEqual(decoded, { header: { tunnelId, visitor: '192.0.2.1', protocol }, length: bytes.length })
      }
    }
  })

  it('asks for more bytes at every proper prefix, and leaves the bytes after it', () => {
    const bytes = encodeStreamHeader(header)
    for (let end = 0; end < bytes.length; end++) assert.equal(decodeStreamHeader(bytes.subarray(0, end)), undefined)
    const decoded = decodeStreamHeader(Buffer.concat([bytes, Buffer.from('GET / HTTP/1.1')]))
    assert.equal(decoded?.length, bytes.length)
  })

  it('cuts a visitor address of more than 255 bytes instead of overflowing its length byte', () => {
    const decoded = decodeStreamHeader(encodeStreamHeader({ ...header, visitor: 'x'.repeat(1000) }))
    assert.equal(decoded?.header.visitor, 'x'.repeat(255))
  })

  it('skips fields that a later minor version appends', () => {
    const bytes = encodeStreamHeader(header)
    const longer = Buffer.concat([bytes, Buffer.from('later')])
    longer.writeUInt16BE(longer.length, 2)
    assert.deepEqual(decodeStreamHeader(longer), { header, length: longer.length })
  })

  it('attack 36: a wrong version, length, address length or protocol is a violation, not a crash', () => {
    const broken: [string, (bytes: Buffer) => void][] = [
      ['version 0', (bytes) => (bytes[0] = 0)],
      ['version 255', (bytes) => (bytes[0] = 255)],
      ['protocol 0', (bytes) => (bytes[1] = 0)],
      ['protocol 3', (bytes) => (bytes[1] = 3)],
      ['length 0', (bytes) => void bytes.writeUInt16BE(0, 2)],
      ['length 8', (bytes) => void bytes.writeUInt16BE(8, 2)],
      ['length 513', (bytes) => void bytes.writeUInt16BE(513, 2)],
      ['length 65535', (bytes) => void bytes.writeUInt16BE(0xffff, 2)],
      ['address beyond the header', (bytes) => (bytes[8] = 255)],
    ]
    for (const [what, breakIt] of broken) {
      const bytes = encodeStreamHeader(header)
      breakIt(bytes)
      assert.throws(() => decodeStreamHeader(bytes), isViolation, what)
    }
  })

  it('attack 36: ten thousand random inputs either decode, wait or are a violation', () => {
    let seed = 42
    const next = (): number => (seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0) >>> 16
    for (let round = 0; round < 10_000; round++) {
      const bytes = Buffer.from(Array.from({ length: next() % 40 }, () => next() & 0xff))
      if (bytes.length > 0 && round % 2 === 0) bytes[0] = 1
      try {
        const decoded = decodeStreamHeader(bytes)
        if (decoded) assert.ok(decoded.length >= 9 && decoded.length <= bytes.length)
      } catch (error) {
        assert.ok(isViolation(error))
      }
    }
  })
})

describe('stream reply', () => {
  it('is one byte for yes', () => {
    assert.deepEqual(decodeStreamReply(Buffer.concat([REPLY_OK, Buffer.from('HTTP/1.1 200')])), {
      reply: { ok: true },
      length: 1,
    })
  })

  it('carries a refusal with its reason, at whatever byte it is split', () => {
    const bytes = encodeRefusal('app_refused', 'connection refused at localhost:8000')
    for (let end = 0; end < bytes.length; end++) assert.equal(decodeStreamReply(bytes.subarray(0, end)), undefined)
    assert.deepEqual(decodeStreamReply(bytes), {
      reply: { ok: false, code: 'app_refused', reason: 'connection refused at localhost:8000' },
      length: bytes.length,
    })
  })

  it('cuts a long reason and keeps its length right', () => {
    const bytes = encodeRefusal('app_timeout', 'x'.repeat(5000))
    assert.equal(bytes.length, 2 + 255)
    assert.equal(decodeStreamReply(bytes)?.length, bytes.length)
  })

  it('takes a refusal code of a newer agent for an unreachable app', () => {
    const decoded = decodeStreamReply(Buffer.from([200, 2, 0x68, 0x69]))
    assert.deepEqual(decoded?.reply, { ok: false, code: 'app_unreachable', reason: 'hi' })
  })
})

describe('readStreamHeader', () => {
  it('reads a header byte by byte, and leaves the following bytes in the stream', async () => {
    const stream = makeStream()
    const reading = readStreamHeader(stream)
    for (const byte of encodeStreamHeader(header)) stream.push(Buffer.from([byte]))
    stream.push('behind')
    assert.deepEqual(await reading, header)
    const [behind] = (await stream.take(1).toArray()) as Buffer[]
    assert.equal(behind?.toString(), 'behind')
  })

  it('returns the further bytes of the same chunk', async () => {
    const stream = makeStream()
    stream.push(Buffer.concat([encodeStreamHeader(header), Buffer.from('GET /')]))
    assert.deepEqual(await readStreamHeader(stream), header)
    assert.equal((stream.read() as Buffer).toString(), 'GET /')
  })

  it('leaves no listener behind, so that a splice can follow', async () => {
    const stream = makeStream()
    const before = ['readable', 'end', 'close', 'error'].map((event) => stream.listenerCount(event))
    stream.push(encodeStreamHeader(header))
    await readStreamHeader(stream, new AbortController().signal)
    assert.deepEqual(
      ['readable', 'end', 'close', 'error'].map((event) => stream.listenerCount(event)),
      before,
    )
  })

  it('attack 36: garbage is a violation', async () => {
    const stream = makeStream()
    const reading = readStreamHeader(stream)
    stream.push('GET / HTTP/1.1\r\n\r\n')
    await assert.rejects(reading, isViolation)
  })

  it('is told when the stream ends, is destroyed, or is already gone', async () => {
    const ended = makeStream()
    ended.push(encodeStreamHeader(header).subarray(0, 5))
    ended.push(null)
    await assert.rejects(readStreamHeader(ended), isLost)

    const destroyed = makeStream()
    const reading = readStreamHeader(destroyed)
    destroyed.destroy()
    await assert.rejects(reading, isLost)
    await assert.rejects(readStreamHeader(destroyed), isLost)
  })

  it('stops at the signal', async () => {
    const stop = new AbortController()
    const reading = readStreamHeader(new PassThrough(), stop.signal)
    stop.abort(new Error('late'))
    await assert.rejects(reading, /late/)
    await assert.rejects(readStreamHeader(new PassThrough(), stop.signal), /late/)
  })
})

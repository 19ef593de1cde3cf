import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { FLAG_FIN, FLAG_SYN, TYPE_DATA, TYPE_PING, TYPE_WINDOW_UPDATE, readUint32, writeHeader } from './frame.ts'
import { FrameReader } from './frame-reader.ts'
import { frame } from './raw-peer.test-support.ts'

const WIRE = Buffer.concat([
  frame(TYPE_DATA, FLAG_SYN, 1, Buffer.from('hello')),
  frame(TYPE_WINDOW_UPDATE, 0, 1, 0xffff_fffe),
  frame(TYPE_DATA, FLAG_FIN, 1, Buffer.alloc(0)),
  frame(TYPE_PING, FLAG_SYN, 0, 0x8000_0001),
  frame(TYPE_DATA, 0, 0xffff_ffff, Buffer.from('world')),
])

function read(...chunks: Buffer[]): string[] {
  const seen: string[] = []
  let payload = ''
  const reader = new FrameReader({
    onHeader: (type, flags, streamId, length) => {
      seen.push(`${type} ${flags} ${streamId} ${length}`)
      return true
    },
    onPayload: (piece, last) => {
      payload += piece.toString()
      if (!last) return
      seen.push(payload)
      payload = ''
    },
    onMalformed: (detail) => seen.push(`malformed: ${detail}`),
  })
  for (const chunk of chunks) reader.push(chunk)
  return seen
}

describe('FrameReader', () => {
  const whole = read(WIRE)

  it('reads frames that arrive together', () => {
    assert.deepEqual(whole, [
      '0 1 1 5',
      'hello',
      '1 0 1 4294967294',
      '0 4 1 0',
      '2 1 0 2147483649',
      '0 0 4294967295 5',
      'world',
    ])
  })

  it('attack 36: reads the same from every split into two, and into single bytes', () => {
    for (let at = 0; at <= WIRE.length; at++) {
      assert.deepEqual(read(WIRE.subarray(0, at), WIRE.subarray(at)), whole, `split at ${at}`)
    }
    assert.deepEqual(read(...Array.from(WIRE, (byte) => Buffer.of(byte))), whole)
  })

  it('skips an unwanted payload', () => {
    const seen: number[] = []
    const reader = new FrameReader({
      onHeader: (_type, _flags, streamId) => seen.push(streamId) < 0,
      onPayload: () => assert.fail('not wanted'),
      onMalformed: assert.fail,
    })
    for (let at = 0; at < WIRE.length; at += 7) reader.push(WIRE.subarray(at, at + 7))
    assert.deepEqual(seen, [1, 1, 1, 0, 0xffff_ffff])
  })

  it('attack 36: stops at another version, an unknown type and unknown flags', () => {
    for (const [at, value] of [
      [0, 1],
      [1, 4],
      [1, 255],
      [2, 1],
      [3, 16],
    ] as const) {
      const bad = Buffer.from(WIRE)
      bad[at] = value
      const seen = read(bad)
      assert.equal(seen.length, 1)
      assert.match(String(seen[0]), /^malformed/)
    }
  })

  it('is silent after stop(), in the middle of a chunk', () => {
    const seen: number[] = []
    const reader: FrameReader = new FrameReader({
      onHeader: (type) => {
        seen.push(type)
        reader.stop()
        return true
      },
      onPayload: () => assert.fail('stopped'),
      onMalformed: assert.fail,
    })
    reader.push(WIRE)
    reader.push(WIRE)
    assert.deepEqual(seen, [TYPE_DATA])
  })
})

describe('writeHeader', () => {
  it('writes the layout of the specification', () => {
    const header = Buffer.alloc(14, 0xee)
    assert.equal(writeHeader(header, 1, 2, 0x0102, 0xfedc_ba98, 0x7654_3210), 13)
    assert.equal(header.toString('hex'), 'ee00020102fedcba9876543210ee')
    assert.equal(readUint32(header, 5), 0xfedc_ba98)
  })
})

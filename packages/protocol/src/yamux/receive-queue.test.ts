import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { ReceiveQueue, compact } from './receive-queue.ts'

function drain(queue: ReceiveQueue): Buffer[] {
  const blocks: Buffer[] = []
  for (let block = queue.shift(); block; block = queue.shift()) blocks.push(block)
  return blocks
}

describe('ReceiveQueue', () => {
  it('returns all bytes in order, large and small pieces mixed', () => {
    const queue = new ReceiveQueue()
    const pieces = Array.from({ length: 200 }, (_, i) => Buffer.alloc((i * i * 37) % 40_000, i))
    for (const piece of pieces) queue.push(piece)
    const total = Buffer.concat(pieces)
    assert.equal(queue.bytes, total.length)
    assert.ok(Buffer.concat(drain(queue)).equals(total))
    assert.equal(queue.bytes, 0)
  })

  it('can be read while it is filled', () => {
    const queue = new ReceiveQueue()
    let written = 0
    let read = 0
    for (let i = 0; i < 5_000; i++) {
      queue.push(Buffer.of(written++ & 255))
      if (i % 7 !== 0) continue
      for (const byte of queue.shift() ?? []) assert.equal(byte, read++ & 255)
    }
    for (const block of drain(queue)) for (const byte of block) assert.equal(byte, read++ & 255)
    assert.equal(read, written)
  })

  it('attack 36: merges single bytes: memory stays near the byte count', () => {
    const queue = new ReceiveQueue()
    const message = Buffer.alloc(64 * 1024)
    for (let i = 0; i < 256 * 1024; i++) queue.push(message.subarray(i % message.length, (i % message.length) + 1))
    const blocks = drain(queue)
    assert.ok(blocks.length < 100, `${blocks.length} blocks`)
    assert.ok(blocks.reduce((sum, block) => sum + block.buffer.byteLength, 0) < 300 * 1024)
  })

  it('attack 36: a small piece does not pin the message it came in', () => {
    const message = Buffer.alloc(64 * 1024)
    const queue = new ReceiveQueue()
    queue.push(message.subarray(0, 20_000))
    for (const block of drain(queue)) assert.ok(block.buffer.byteLength <= 20_000)
    assert.equal(compact(message.subarray(0, 1)).buffer.byteLength, 1)
  })

  it('keeps a piece that is most of its message without a copy', () => {
    const message = Buffer.alloc(64 * 1024)
    const queue = new ReceiveQueue()
    queue.push(message.subarray(12))
    assert.equal(queue.shift()?.buffer, message.buffer)
  })
})

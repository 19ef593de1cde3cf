import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { before, describe, it } from 'node:test'
import { connect } from 'node:tls'

import { serverNameIn } from './client-hello.ts'

/** The first bytes of a real visitor. */
async function helloOf(servername: string): Promise<Buffer> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const visitor = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', servername })
  visitor.on('error', () => {}) // the server says nothing
  const [socket] = await once(server, 'connection')
  const [bytes] = (await once(socket, 'data')) as [Buffer]
  visitor.destroy()
  server.close()
  return bytes
}

/** The same message in records of `bytes` bytes. */
function inRecords(hello: Buffer, size: number): Buffer {
  const message = hello.subarray(5)
  const records: Buffer[] = []
  for (let at = 0; at < message.length; at += size) {
    const piece = message.subarray(at, at + size)
    records.push(Buffer.from([22, 3, 1, piece.length >> 8, piece.length & 0xff]), piece)
  }
  return Buffer.concat(records)
}

describe('serverNameIn', () => {
  let hello: Buffer
  before(async () => (hello = await helloOf('Docs.Example.com')))

  it('finds the name once the ClientHello is complete, in lower case', async () => {
    for (let length = 0; length < hello.length; length++) {
      assert.equal(serverNameIn(hello.subarray(0, length)), undefined, `${length} of ${hello.length}`)
    }
    assert.equal(serverNameIn(hello), 'docs.example.com')
    assert.equal(serverNameIn(Buffer.concat([hello, Buffer.from('more')])), 'docs.example.com')
    assert.equal(serverNameIn(await helloOf('')), '')
  })

  it('finds it in a message of several records, up to a number beyond any client’s need', () => {
    for (const size of [hello.length, 200, 100]) {
      const records = inRecords(hello, size)
      assert.equal(serverNameIn(records), 'docs.example.com', `${size}`)
      assert.equal(serverNameIn(records.subarray(0, -1)), undefined)
    }
    assert.equal(serverNameIn(inRecords(hello, 3)), '')
  })

  it('finds none in other bytes, and does not wait for an overlong message', () => {
    for (const text of [
      'GET / HTTP/1.1\r\n\r\n',
      'PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n',
      '\x16\x03\x01\0\x05\x02\0\0\x01a',
    ]) {
      assert.equal(serverNameIn(Buffer.from(text, 'latin1')), '', JSON.stringify(text))
    }
    const announced = Buffer.from(hello)
    announced.writeUIntBE(0xffffff, 6, 3)
    assert.equal(serverNameIn(announced), '')
    assert.equal(
      serverNameIn(Buffer.concat([Buffer.from([22, 3, 1, 0xff, 0xff, 1, 0, 0x3f, 0xff]), Buffer.alloc(17_000)])),
      '',
    )
  })

  it('does not throw for damaged messages', () => {
    for (let at = 0; at < hello.length; at++) {
      for (const value of [0, 0xff, hello[at]! ^ 1]) {
        const damaged = Buffer.from(hello)
        damaged[at] = value
        assert.match(String(serverNameIn(damaged)), /^/)
      }
    }
  })
})

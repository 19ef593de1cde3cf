// Interop with yamux-js, as far as it goes: small echoes over TCP. It drops bytes that come with a SYN, never sends FIN
// and ignores ours, so a stream is opened first, used, and then dropped.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { describe, it } from 'node:test'

import { Client, Server } from 'yamux-js'

import type { Carrier } from './carrier.ts'
import { YamuxSession } from './session.ts'

describe('interop with yamux-js', () => {
  it('our client is echoed by its server', async () => {
    const [near, far] = await tcpPair()
    const theirs = new Server((stream) => stream.on('data', (chunk: Buffer) => stream.write(chunk)), {
      enableKeepAlive: false,
      logger: () => {},
    })
    far.pipe(theirs).pipe(far)
    const session = new YamuxSession(carrierOf(near), { role: 'client' })
    assert.ok((await session.ping()) > 0)
    for (let i = 0; i < 5; i++) {
      const stream = session.openStream()
      await session.ping() // the SYN is there
      stream.write(`echo ${i}`)
      const [chunk] = await once(stream, 'data')
      assert.equal(String(chunk), `echo ${i}`)
      stream.destroy()
    }
    session.destroy()
    far.destroy()
  })

  it('its client is echoed by our server', async () => {
    const [near, far] = await tcpPair()
    const session = new YamuxSession(carrierOf(far), { role: 'server', onStream: (stream) => stream.pipe(stream) })
    const theirs = new Client({ enableKeepAlive: false, logger: () => {} })
    near.pipe(theirs).pipe(near)
    for (let i = 0; i < 5; i++) {
      const stream = theirs.open()
      stream.write(`echo ${i}`)
      const [chunk] = await once(stream, 'data')
      assert.equal(String(chunk), `echo ${i}`)
    }
    assert.equal(session.streamCount, 5)
    session.destroy()
    near.destroy()
  })
})

async function tcpPair(): Promise<[Socket, Socket]> {
  const listener = createServer().listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const near = connect((listener.address() as AddressInfo).port, '127.0.0.1') // a TCP listener
  const [[far]] = (await Promise.all([once(listener, 'connection'), once(near, 'connect')])) as [[Socket], unknown]
  listener.close()
  return [near, far]
}

function carrierOf(socket: Socket): Carrier {
  const carrier: Carrier = {
    send: (message, sent) => void socket.write(message, sent),
    get bufferedBytes() {
      return socket.writableLength
    },
    get bytesRead() {
      return socket.bytesRead
    },
    close: () => void socket.end(),
    destroy: () => void socket.destroy(),
    onMessage: () => {},
    onClose: () => {},
  }
  socket.on('data', (chunk: Buffer) => carrier.onMessage(chunk))
  socket.on('error', () => {}) // 'close' follows
  socket.on('close', () => carrier.onClose())
  return carrier
}

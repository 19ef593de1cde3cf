import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { after, before, describe, it } from 'node:test'

import { DelayProxy } from './delay-proxy.ts'

describe('DelayProxy', () => {
  let server: Server
  let target: { host: string; port: number }
  /** The far side's handling of a connection; it echoes unless a test says otherwise. */
  let serve: (socket: Socket) => void
  const opened: DelayProxy[] = []

  before(async () => {
    server = createServer({ allowHalfOpen: true }, (socket) => serve(socket.on('error', () => {})))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    target = { host: '127.0.0.1', port: (server.address() as AddressInfo).port } // it listens on a port
  })
  after(() => {
    for (const proxy of opened) proxy.close()
    server.close()
  })

  async function through(link: { roundTripMs: number; bitsPerSecond?: number }): Promise<Socket> {
    const proxy = new DelayProxy({ target, ...link })
    opened.push(proxy)
    const socket = connect({ port: await proxy.listen(), host: '127.0.0.1', allowHalfOpen: true })
    await once(socket, 'connect')
    return socket
  }

  it('delivers every byte in order, then the end', async () => {
    serve = (socket) => void socket.pipe(socket)
    for (const link of [{ roundTripMs: 4 }, { roundTripMs: 4, bitsPerSecond: 400e6 }]) {
      const sent = randomBytes(3_000_000)
      const socket = await through(link)
      socket.end(sent)
      const received = createHash('sha256')
      for await (const chunk of socket) received.update(chunk as Buffer)
      assert.equal(received.digest('hex'), createHash('sha256').update(sent).digest('hex'))
    }
  })

  it('delays an answer by a round trip', async () => {
    serve = (socket) => void socket.pipe(socket)
    const socket = await through({ roundTripMs: 60 })
    const started = performance.now()
    socket.write('x')
    await once(socket, 'data')
    assert.ok(performance.now() - started >= 59, 'earlier than light allows') // timers may be a fraction early
    socket.destroy()
  })

  it('keeps its bandwidth for all connections together', async () => {
    const bytes = 250_000
    serve = (socket) => socket.end(Buffer.alloc(bytes))
    const proxy = new DelayProxy({ target, roundTripMs: 2, bitsPerSecond: 20e6 })
    opened.push(proxy)
    const port = await proxy.listen()
    const started = performance.now()
    const visit = async (): Promise<number> => {
      let received = 0
      for await (const chunk of connect(port, '127.0.0.1')) received += (chunk as Buffer).length
      return received
    }
    assert.deepEqual(await Promise.all([visit(), visit()]), [bytes, bytes])
    assert.ok(performance.now() - started >= 195, 'half a million bytes at 20 Mbit/s are 200 ms')
  })

  it('holds a sender when the link is full', async () => {
    let written = 0
    const { promise: paused, resolve } = Promise.withResolvers<void>()
    serve = (socket) => {
      const block = Buffer.alloc(65_536)
      const fill = (): void => {
        while (socket.writable && written < 200_000_000) {
          written += block.length
          if (!socket.write(block)) break
        }
        setTimeout(resolve, 100)
      }
      socket.on('drain', fill)
      fill()
    }
    const socket = await through({ roundTripMs: 10, bitsPerSecond: 8e6 })
    await paused
    assert.ok(written < 100_000_000, `took ${written} bytes within a blink`)
    socket.destroy()
  })

  it('passes a broken connection on', async () => {
    serve = (socket) => socket.resetAndDestroy()
    const socket = await through({ roundTripMs: 2 })
    const [error] = (await once(socket.resume(), 'error')) as [NodeJS.ErrnoException]
    assert.equal(error.code, 'ECONNRESET')
  })
})

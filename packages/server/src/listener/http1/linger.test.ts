import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { describe, it } from 'node:test'

import { linger } from './linger.ts'

async function connectPair(): Promise<{ visitor: Socket; socket: Socket }> {
  const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const visitor = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true })
  const [socket] = (await once(server, 'connection')) as [Socket]
  server.close()
  return { visitor: visitor.on('error', () => {}).resume(), socket: socket.on('error', () => {}) }
}

describe('linger', () => {
  it('sends the last bytes and closes when the visitor has ended', async () => {
    const { visitor, socket } = await connectPair()
    socket.write('the answer')
    linger(socket)
    await once(visitor, 'end')
    visitor.write('more of the request')
    await once(socket, 'data')
    assert.ok(!socket.destroyed)
    visitor.end()
    await once(socket, 'close')
  })

  it('does not wait for a visitor who neither sends nor ends', async () => {
    const { visitor, socket } = await connectPair()
    linger(socket, 60_000, 20)
    await once(socket, 'close')
    visitor.destroy()
  })

  it('does not wait for a visitor who sends without end', async () => {
    const { visitor, socket } = await connectPair()
    const sending = setInterval(() => visitor.write('more'), 1)
    linger(socket, 50, 60_000)
    await once(socket, 'close')
    clearInterval(sending)
    visitor.destroy()
  })

  it('gives nothing more to former listeners', async () => {
    const { visitor, socket } = await connectPair()
    socket.on('data', () => assert.fail('the request is over'))
    linger(socket)
    visitor.end('GET / HTTP/1.1\r\n\r\n')
    await once(socket, 'close')
  })
})

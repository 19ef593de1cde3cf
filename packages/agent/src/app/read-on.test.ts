import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { describe, it } from 'node:test'

import { readOn } from './read-on.ts'

/** An agent's socket and the app's end of it. */
async function connectPair(): Promise<{ socket: Socket; app: Socket }> {
  const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const socket = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true })
  const [app] = (await once(server, 'connection')) as [Socket]
  server.close()
  return { socket: socket.on('error', () => {}), app: app.on('error', () => {}) }
}

describe('readOn', () => {
  it('real-apps 2: gives the whole answer of an app that has closed during an upload, and no end after it', async () => {
    const { socket, app } = await connectPair()
    readOn(socket)
    app.pause()
    const answer = Buffer.alloc(100_000, 'a')
    const received: Buffer[] = []
    socket.on('end', () => assert.fail('the app has not taken everything: this is a break'))
    const closed = new Promise<boolean>((resolve) => socket.once('close', resolve)) // once() rejects at an error
    socket.write('x')
    app.write(answer, () => app.destroy()) // its unread bytes make this a reset
    await once(app, 'close')
    // Nothing has been read here so far, and now writing fails.
    for (let turns = 0; turns < 5; turns++) {
      socket.write(Buffer.alloc(64 * 1024))
      await new Promise((resolve) => setImmediate(resolve))
    }
    socket.on('data', (chunk: Buffer) => received.push(chunk))
    assert.ok(await closed, 'it ends by its error')
    assert.equal(Buffer.concat(received).length, answer.length)
  })

  it('changes nothing for an app that ends in order', async () => {
    const { socket, app } = await connectPair()
    readOn(socket)
    socket.end('question')
    app.resume().end('answer')
    const [answer] = (await once(socket, 'data')) as [Buffer]
    assert.equal(String(answer), 'answer')
    const [hadError] = (await once(socket, 'close')) as [boolean]
    assert.ok(!hadError)
  })
})

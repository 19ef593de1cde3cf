// socket.io behind sign-in: long polling first, then the upgrade to a WebSocket, rooms, and reconnecting by itself.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, createServer } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { after, before, describe, it } from 'node:test'

import { lookupLocalhost } from '../support/browser/browser.ts'
import { Server } from 'socket.io'
import { io } from 'socket.io-client'
import type { ManagerOptions, Socket, SocketOptions } from 'socket.io-client'

import { HOST, SignedInApp, listen } from './signed-in-app.ts'

describe('socket.io behind sign-in', { timeout: 60_000 }, () => {
  let app: SignedInApp
  const http = createServer((_, response) => response.end('socket.io is at /socket.io/'))
  const server = new Server(http)
  const visitors: Socket[] = []

  before(async () => {
    server.on('connection', (socket) => {
      socket.on('join', (room: string, joined: () => void) => {
        void socket.join(room)
        joined()
      })
      socket.on('say', (room: string, words: string) => server.to(room).emit('said', words))
      socket.on('echo', (bytes: Buffer, answer: (bytes: Buffer) => void) => answer(bytes))
    })
    app = await SignedInApp.start(await listen(http))
  })
  after(async () => {
    for (const visitor of visitors) visitor.close()
    await server.close()
    await app?.close()
  })

  /** Resolves when connected. */
  async function connect(options: Partial<ManagerOptions & SocketOptions> = {}): Promise<Socket> {
    const socket = io(`http://${HOST}:${app.port}`, {
      forceNew: true,
      extraHeaders: { cookie: app.cookie },
      reconnectionDelay: 100,
      reconnectionDelayMax: 500,
      // Node does not resolve names below localhost. Its own http.Agent fits, the type asks for a string.
      agent: new Agent({ keepAlive: true, lookup: lookupLocalhost }) as unknown as string,
      ...options,
    })
    visitors.push(socket)
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('connect_error', reject)
    })
    return socket
  }

  it('polls, and upgrades to a WebSocket', async () => {
    const socket = await connect()
    const { engine } = socket.io
    if (engine.transport.name === 'polling') await new Promise((resolve) => engine.once('upgrade', resolve))
    assert.equal(engine.transport.name, 'websocket')
    const bytes = Buffer.alloc(200_000, 'x')
    assert.deepEqual(Buffer.from((await socket.emitWithAck('echo', bytes)) as Buffer), bytes)
  })

  it('works with long polling alone', async () => {
    const socket = await connect({ transports: ['polling'] })
    const bytes = Buffer.alloc(200_000, 'y')
    assert.deepEqual(Buffer.from((await socket.emitWithAck('echo', bytes)) as Buffer), bytes)
    assert.equal(socket.io.engine.transport.name, 'polling')
  })

  it('reaches everybody in a room, whatever their transport, and nobody else', async () => {
    const inRoom = [
      await connect(),
      await connect({ transports: ['polling'] }),
      await connect({ transports: ['websocket'] }),
    ]
    const outside = await connect()
    for (const socket of inRoom) await socket.emitWithAck('join', 'blue')
    const heard = inRoom.map((socket) => once(socket as never, 'said'))
    outside.on('said', () => assert.fail('it was not in the room'))
    outside.emit('say', 'blue', 'hello')
    assert.deepEqual(await Promise.all(heard), [['hello'], ['hello'], ['hello']])
  })

  it('reconnects by itself when the agent has died and another has come', async () => {
    const socket = await connect()
    const gone = new Promise((resolve) => socket.once('disconnect', resolve))
    await app.killAgent()
    await gone
    const back = new Promise<void>((resolve) => socket.once('connect', resolve))
    await app.startAgent()
    await back
    await socket.emitWithAck('join', 'green')
    const heard = new Promise((resolve) => socket.once('said', resolve))
    socket.emit('say', 'green', 'again')
    assert.equal(await heard, 'again')
  })

  it('attack 30: connects nobody without a session', async () => {
    // Marked, because clients of earlier tests are still reconnecting after the death of their agent.
    const stranger = { 'x-stranger': 'yes' }
    let connected = 0
    server.engine.on('connection', ({ request }: { request: IncomingMessage }) => {
      if (request.headers['x-stranger'] !== undefined) connected++
    })
    for (const transports of [['polling'], ['websocket']]) {
      await assert.rejects(connect({ extraHeaders: stranger, transports, reconnection: false }))
    }
    assert.equal(connected, 0)
    await connect({ extraHeaders: { ...stranger, cookie: app.cookie } })
    assert.equal(connected, 1, 'with the cookie it would have been seen')
  })
})

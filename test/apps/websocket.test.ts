// Features of WebSocket apps beside messages: subprotocols, close codes, and long one-way streams with flat memory.
// Sign-in, origins and echoes are in test/e2e/websocket.test.ts.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { after, before, describe, it } from 'node:test'

import { lookupLocalhost } from '../support/browser/browser.ts'
import { WebSocket, WebSocketServer } from 'ws'

import { HOST, SignedInApp, listen } from './signed-in-app.ts'

const MESSAGE_BYTES = 256 * 1024
const MESSAGES = 400 // 100 MB; with SALLYPORT_LARGE=1 ten times as many
const GROWTH_MAX_BYTES = 96 * 1024 * 1024

describe('a WebSocket app behind sign-in', { timeout: 120_000 }, () => {
  let app: SignedInApp
  const http = createServer((_, response) => response.end('the app'))
  const server = new WebSocketServer({
    server: http,
    perMessageDeflate: false,
    handleProtocols: (offered) => (offered.has('chat.v2') ? 'chat.v2' : false),
  })

  before(async () => {
    server.on('connection', (socket, { url = '' }) => {
      const code = /^\/close\/(\d+)/.exec(url)?.[1]
      if (code !== undefined) socket.close(Number(code), 'as asked')
      else if (url.startsWith('/flood/')) void flood(socket, Number(url.slice('/flood/'.length)))
      else socket.send(socket.protocol)
    })
    app = await SignedInApp.start(await listen(http))
  })
  after(async () => {
    for (const socket of server.clients) socket.terminate()
    await app?.close()
    http.close().closeAllConnections()
  })

  function connect(path: string, protocols: string[] = []): WebSocket {
    const headers = { cookie: app.cookie }
    return new WebSocket(`ws://${HOST}:${app.port}${path}`, protocols, { lookup: lookupLocalhost, headers })
  }

  it('agrees on a subprotocol, or on none', async () => {
    const chosen = connect('/protocol', ['chat.v1', 'chat.v2', 'chat.v3'])
    assert.equal(String((await once(chosen, 'message'))[0]), 'chat.v2')
    assert.equal(chosen.protocol, 'chat.v2')
    chosen.terminate()
    const none = connect('/protocol')
    assert.equal(String((await once(none, 'message'))[0]), '')
    none.terminate()
    // RFC 6455 4.1: if none was agreed on, a client that had offered some must fail the connection. Here the client
    // does.
    const [error] = (await once(connect('/protocol', ['other']), 'error')) as [Error]
    assert.match(error.message, /no subprotocol/i)
  })

  it('closes with the code that was given', async () => {
    for (const code of [1000, 1001, 1008, 1011, 1013, 3000, 4999]) {
      const [received, reason] = (await once(connect(`/close/${code}`), 'close')) as [number, Buffer]
      assert.deepEqual([received, reason.toString()], [code, 'as asked'])
    }
  })

  it('carries a long stream from the app to a visitor who reads slowly, with flat memory', async (test) => {
    const count = process.env.SALLYPORT_LARGE ? MESSAGES * 10 : MESSAGES
    const { relay } = app.processes
    const before = relay.residentBytes ?? 0
    let highest = 0
    const socket = connect(`/flood/${count}`)
    const hash = createHash('sha256')
    let messages = 0
    socket.on('message', (message: Buffer, isBinary) => {
      if (!isBinary) return void socket.emit('told', message.toString())
      hash.update(message)
      messages++
      highest = Math.max(highest, relay.residentBytes ?? 0)
      if (messages % 40 !== 0) return
      socket.pause()
      setTimeout(() => socket.resume(), 20)
    })
    const [told] = (await once(socket, 'told')) as [string]
    assert.equal(messages, count)
    assert.equal(told, hash.digest('hex'))
    socket.terminate()
    const grown = highest - before
    test.diagnostic(`${(count * MESSAGE_BYTES) / 1e6} MB; the relay grew by ${Math.round(grown / 1e6)} MB at most`)
    assert.ok(grown < GROWTH_MAX_BYTES, `the relay grew by ${grown} bytes`)
  })
})

/** Sends a number of messages, no faster than they are taken, and then the hash of all. */
async function flood(socket: WebSocket, count: number): Promise<void> {
  const hash = createHash('sha256')
  for (let number = 0; number < count && socket.readyState === WebSocket.OPEN; number++) {
    const message = Buffer.alloc(MESSAGE_BYTES, String(number))
    hash.update(message)
    await new Promise((resolve) => socket.send(message, resolve))
  }
  socket.send(hash.digest('hex'))
}

// WebSockets through sign-in, with real processes: handshakes that pass, handshakes that are refused before they reach
// an agent, and correct bytes and flat memory with many WebSockets.

import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, it } from 'node:test'

import { lookupLocalhost } from '../support/browser/browser.ts'
import type { Browser } from '../support/browser/browser.ts'
import { WebSocket, WebSocketServer } from 'ws'

import { Processes } from '../support/processes.ts'
import { RawClient } from '../support/raw-client.ts'
import { signIn } from '../support/sign-in.ts'

const HOST = 'app.localhost'
const QUIET_HOST = 'quiet.localhost'
const MESSAGE_BYTES = 1024 * 1024
const MESSAGES = 100
const GROWTH_MAX_BYTES = 96 * 1024 * 1024 // a third of the bytes, if they were all kept; buffers and heap take their part

describe('WebSockets', { timeout: 60_000 }, () => {
  let processes: Processes
  let app: Server
  let url: string
  let visitor: Browser
  let authtoken: string
  let upstream: string
  const webSockets = new WebSocketServer({ noServer: true, maxPayload: 2 * MESSAGE_BYTES, perMessageDeflate: false })
  /** Upgrades that the app has seen. */
  let upgrades = 0

  before(async () => {
    app = createServer((_, response) => response.end('the app'))
    app.on('upgrade', (request, socket, head) => {
      upgrades++
      webSockets.handleUpgrade(request, socket, head, (webSocket) => {
        if (request.url === '/hash') return hashAll(webSocket)
        if (request.url === '/close') return webSocket.close(4321, 'as agreed')
        if (request.url === '/greet') webSocket.send('welcome')
        webSocket.on('message', (message, isBinary) => webSocket.send(message, { binary: isBinary }))
        webSocket.on('close', (code, reason) => webSockets.emit('closed', code, reason.toString()))
      })
    })
    app.listen(0, '127.0.0.1')
    await once(app, 'listening')
    processes = await Processes.create()
    await processes.startProvider()
    await processes.startRelay({
      edges: [
        { id: 'edg_app', hosts: [HOST], policy: processes.signIn() },
        {
          id: 'edg_quiet',
          hosts: [QUIET_HOST],
          policy: processes.signIn({ allowed_origins: ['https://friend.example'] }),
        },
      ],
    })
    authtoken = await processes.createAuthtoken()
    upstream = `http://127.0.0.1:${(app.address() as AddressInfo).port}` // it listens on a port
    await processes.startAgent({ authtoken, labels: ['edge=edg_app'], upstream, name: 'agent' })
    url = `${processes.origin(HOST)}/`
    visitor = await signIn(url)
  })
  after(async () => {
    await processes.close()
    app.close().closeAllConnections()
  })

  async function open(path: string, headers: Record<string, string> = {}, host = HOST): Promise<WebSocket> {
    const webSocket = new WebSocket(`ws://${host}:${processes.port}${path}`, {
      lookup: lookupLocalhost,
      headers: { cookie: visitor.cookieHeader(url), ...headers },
      perMessageDeflate: false,
    })
    webSocket.on('error', () => {}) // reported by the events below
    const answer = await Promise.race([
      once(webSocket, 'open').then(() => 101),
      once(webSocket, 'unexpected-response').then(([, response]) => (response as { statusCode: number }).statusCode),
    ])
    if (answer !== 101) {
      webSocket.terminate()
      throw new Error(`HTTP ${answer}`)
    }
    return webSocket
  }

  it('echo text and binary messages for a visitor who has signed in', async () => {
    const webSocket = await open('/echo')
    const binary = randomBytes(70_000)
    for (const [sent, isBinary] of [
      [Buffer.from('grüße'), false],
      [binary, true],
      [Buffer.alloc(0), true],
    ] as const) {
      webSocket.send(sent, { binary: isBinary })
      const [message, wasBinary] = (await once(webSocket, 'message')) as [Buffer, boolean]
      assert.deepEqual(message, sent)
      assert.equal(wasBinary, isBinary)
    }
    webSocket.terminate()
  })

  it('keep close codes and reasons, both ways', async () => {
    const closedByApp = await open('/close')
    const [code, reason] = (await once(closedByApp, 'close')) as [number, Buffer]
    assert.deepEqual([code, reason.toString()], [4321, 'as agreed'])

    const closedHere = await open('/echo')
    const heard = once(webSockets, 'closed')
    closedHere.close(4999, 'goodbye')
    assert.deepEqual(await heard, [4999, 'goodbye'])
  })

  it('attack 30: are refused without a session, and no stream is opened to an agent', async () => {
    const before = upgrades
    const streams = await countStreams(async () => {
      await assert.rejects(open('/echo', { cookie: '' }, QUIET_HOST), /HTTP 401/)
      await assert.rejects(open('/echo', { cookie: 'sallyport.x.session=guess' }, QUIET_HOST), /HTTP 401/)
      // A session of another edge is none here.
      await assert.rejects(open('/echo', { cookie: visitor.cookieHeader(url) }, QUIET_HOST), /HTTP 401/)
    })
    assert.equal(streams, 0)
    assert.equal(upgrades, before)
  })

  it('attack 32: are refused to pages of other sites, sibling hosts and other ports included', async () => {
    const before = upgrades
    const home = processes.origin(QUIET_HOST)
    const others = [
      'https://evil.example',
      url.slice(0, -1),
      `http://${QUIET_HOST}`,
      home.replace('http', 'https'),
      'null',
    ]
    const streams = await countStreams(async () => {
      const cookie = (await signIn(`${home}/`)).cookieHeader(home)
      for (const origin of others) {
        await assert.rejects(open('/echo', { cookie, origin }, QUIET_HOST), /HTTP 403/, origin)
      }
      for (const origin of [home, 'https://friend.example']) {
        ;(await open('/echo', { cookie, origin }, QUIET_HOST)).terminate()
      }
    })
    assert.equal(upgrades, before + 2)
    assert.equal(streams, 3, 'the page behind the sign-in, and the two that are allowed')
  })

  it('attack 33: end at once when the visitor signs out; those of other visitors continue', async () => {
    const other = await signIn(url)
    const [leaving, staying] = [await open('/echo', { cookie: other.cookieHeader(url) }), await open('/echo')]
    const ended = once(leaving, 'close')
    await other.submit(await other.visit(new URL('/.sallyport/logout', url)))
    const [code] = (await ended) as [number]
    assert.equal(code, 1006, 'cut, without a farewell of the app')
    staying.send('still here')
    assert.equal(String((await once(staying, 'message'))[0]), 'still here')
    staying.terminate()
  })

  it('carry bytes right after the handshake, in both directions', async () => {
    const client = new RawClient(processes.port)
    const key = randomBytes(16).toString('base64')
    const frame = maskedText('right behind')
    const head =
      `GET /greet HTTP/1.1\r\nHost: ${HOST}:${processes.port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\nCookie: ${visitor.cookieHeader(url)}\r\n\r\n`
    client.write(Buffer.concat([Buffer.from(head, 'latin1'), frame]))
    // oxlint-disable-next-line no-control-regex -- two frames of RFC 6455: 0x81, the length, the text
    await client.until(/101 Switching Protocols[^]*\x81\x07welcome\x81\x0cright behind/)
    client.close()
  })

  it(`carry ${MESSAGES} MB through one socket, with flat memory at the relay`, async (test) => {
    const webSocket = await open('/hash')
    const answer = new Promise<string>((resolve) => {
      webSocket.on('message', (message: Buffer, isBinary) => {
        if (isBinary) webSocket.emit('acknowledged')
        else resolve(message.toString())
      })
    })
    const sent = createHash('sha256')
    const before = processes.relay.residentBytes
    let highest = 0
    webSocket.on('acknowledged', () => (highest = Math.max(highest, processes.relay.residentBytes ?? 0)))
    for (let count = 0; count < MESSAGES; count++) {
      const message = randomBytes(MESSAGE_BYTES)
      sent.update(message)
      webSocket.send(message)
      // Far ahead of the relay, which must hold the writer back.
      if (webSocket.bufferedAmount > 16 * MESSAGE_BYTES) await once(webSocket, 'acknowledged')
    }
    webSocket.send('done')
    assert.equal(await answer, sent.digest('hex'))
    webSocket.terminate()
    if (before === undefined) {
      test.diagnostic('memory is not looked at: this system has no /proc')
      return
    }
    const grown = highest - before
    test.diagnostic(`the relay grew by ${Math.round(grown / 1e6)} MB at most`)
    assert.ok(grown < GROWTH_MAX_BYTES, `the relay grew by ${grown} bytes`)
  })

  /** The number of streams that a separate agent has seen while `visit` ran. */
  async function countStreams(visit: () => Promise<void>): Promise<number> {
    const flags = ['--log-level', 'debug']
    const { process } = await processes.startAgent({
      authtoken,
      labels: ['edge=edg_quiet'],
      upstream,
      name: 'quiet',
      flags,
    })
    await visit()
    process.kill('SIGTERM')
    await process.exited
    return process.entries.filter(({ msg }) => msg === 'stream served').length
  }
})

/** Acknowledges every binary message with one byte; answers text with the hash of all of them. */
function hashAll(webSocket: WebSocket): void {
  const hash = createHash('sha256')
  webSocket.on('message', (message: Buffer, isBinary) => {
    if (!isBinary) return webSocket.send(hash.digest('hex'))
    hash.update(message)
    return webSocket.send(Buffer.from([1]))
  })
}

/** RFC 6455 5.2: a final text frame, masked. */
function maskedText(text: string): Buffer {
  const mask = randomBytes(4)
  const payload = Buffer.from(text).map((byte, index) => byte ^ mask[index % 4]!) // 0 to 3
  return Buffer.concat([Buffer.from([0x81, 0x80 | payload.length]), mask, payload])
}

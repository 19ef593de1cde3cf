// An upgraded exchange ends with its sides: with either side, in any way, and with any bytes still on their way. All
// remains are counted: exchanges (a line of the log each), streams (an agent that can leave), sockets.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect as connectHttp2, constants } from 'node:http2'
import { connect, createServer } from 'node:net'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { connect as connectTls } from 'node:tls'

import { NO_OPENSSL, makeCertificate } from '../support/certificate.ts'
import type { CertificateFiles } from '../support/certificate.ts'
import { GOAWAY, SETTINGS, WINDOW_UPDATE, frame } from '../support/raw-http2.ts'
import { webSocketRequest } from '../support/raw-web-socket.ts'
import { APP_HOST, startStack } from '../support/stack.ts'

// RFC 6455 1.3, for the key that webSocketRequest() sends.
const ACCEPT = 'ICX+Yqv66kxgM0FcWaLWlFLwTAI='
const LATER_MS = 200
// More than all buffers on the way hold: an app that does not read holds the visitor back.
const MUCH = 20_000_000
/** Of WINDOW_UPDATE and SETTINGS_INITIAL_WINDOW_SIZE: no window of HTTP/2 limits the sender. */
const WIDE = Buffer.from('7fff0000', 'hex')
const WIDE_STREAM = Buffer.from('00047fffffff', 'hex')

/** An app's next step after the visitor's first byte. It stops reading unless the step says otherwise. */
const APPS: Record<string, (socket: Socket) => void> = {
  ends: (socket) => socket.end(),
  'ends and reads on': (socket) => socket.resume().end(),
  'ends, and closes later': (socket) => later(socket.end(), () => socket.destroy()),
  'ends, and resets later': (socket) => later(socket.end(), () => socket.resetAndDestroy()),
  closes: (socket) => socket.destroy(),
  resets: (socket) => socket.resetAndDestroy(),
  'sends much, and ends': (socket) => void socket.end(Buffer.alloc(MUCH)),
  'sends much, and closes later': (socket) => later(socket, () => socket.destroy(), Buffer.alloc(MUCH)),
}

/** A visitor's next step once the app has switched. */
const VISITORS: Record<string, (socket: Socket) => void> = {
  'sends little and closes at the end': (socket) => socket.resume().on('end', () => socket.destroy()),
  'sends much and closes at the end': (socket) => {
    socket.resume().on('end', () => socket.destroy())
    later(socket, () => socket.destroy(), Buffer.alloc(MUCH))
  },
  'sends much, reads nothing, and closes': (socket) => later(socket, () => socket.destroy(), Buffer.alloc(MUCH)),
  'sends little, reads nothing, and closes': (socket) => later(socket, () => socket.destroy()),
  'sends much and ends': (socket) => socket.resume().end(Buffer.alloc(MUCH)),
}

describe('real-apps 2a: an upgraded exchange ends with both of its sides', { timeout: 120_000 }, () => {
  let folder: string
  let certificate: CertificateFiles | undefined

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sallyport-ends-'))
    certificate = await makeCertificate(folder, [APP_HOST, 'relay.localhost'])
  })
  after(() => rm(folder, { recursive: true, force: true }))

  for (const scheme of ['http', 'https'] as const) {
    it(`over ${scheme}: however they leave`, async (test) => {
      if (scheme === 'https' && !certificate) return test.skip(NO_OPENSSL)
      const before = openSockets()
      const appSockets = new Set<Socket>()
      const app = createServer({ allowHalfOpen: true }, (socket) => {
        appSockets.add(socket)
        serveUpgrade(socket)
      })
      const stack = await startStack({
        app,
        config: 'timeouts: { visitor_stall_seconds: 1 }',
        ...(scheme === 'https' && certificate && { certificate }),
      })
      const visitors: Socket[] = []
      for (const appDoes of Object.keys(APPS)) {
        for (const visitorDoes of Object.keys(VISITORS)) {
          const to = { port: scheme === 'http' ? stack.port : stack.tlsPort, host: '127.0.0.1', allowHalfOpen: true }
          const visitor =
            scheme === 'http' ? connect(to) : connectTls({ ...to, servername: APP_HOST, rejectUnauthorized: false })
          visitors.push(visitor.on('error', () => {}))
          visitor.write(webSocketRequest(APP_HOST, [`X-App: ${appDoes}`], `/${visitors.length}`))
          await once(visitor, 'data')
          visitor.pause()
          visitor.write('first')
          VISITORS[visitorDoes]!(visitor) // one of its keys
        }
      }
      const over = (): Set<string> =>
        new Set(
          stack.log
            .filter((line) => line.includes('"msg":"exchange"'))
            .map((line) => /"path":"([^"]*)"/.exec(line)![1]!),
        )
      for (let turns = 0; over().size < visitors.length; turns++) {
        if (turns > 3000) {
          assert.fail(
            `still open: ${names()
              .filter((_, i) => !over().has(`/${i + 1}`))
              .join('; ')}`,
          )
        }
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
      // Its streams have ended as well: an agent waits for those, for up to 30 s.
      const leaving = performance.now()
      await Promise.all(stack.agents.map((agent) => agent.close()))
      assert.ok(performance.now() - leaving < 10_000, 'the agent had streams left')
      for (const socket of [...visitors, ...appSockets]) socket.destroy()
      await stack.close()
      for (let turns = 0; openSockets() > before; turns++) {
        assert.ok(turns < 500, `${openSockets() - before} sockets are still open`)
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
    })
  }
})

describe('S2: a connection to an HTTP/2 app ends when no exchange needs it', { timeout: 60_000 }, () => {
  const HELLO = frame(SETTINGS, 0, 0)
  const WINDOWS = Buffer.concat([frame(SETTINGS, 0, 0, WIDE_STREAM), frame(WINDOW_UPDATE, 0, 0, WIDE)])
  const apps: Record<string, (socket: Socket) => void> = {
    'takes nothing of an upload': (socket) => {
      socket.write(WINDOWS)
      socket.once('data', () => socket.pause())
    },
    'takes nothing of an upload, and ends': (socket) => {
      socket.write(WINDOWS)
      socket.once('data', () => later(socket.pause(), () => socket.end()))
    },
    'goes away and ends with bytes behind it': (socket) => {
      socket.write(HELLO)
      socket.once('data', () => socket.end(Buffer.concat([frame(GOAWAY, 0, 0, Buffer.alloc(8)), HELLO, HELLO])))
    },
  }
  for (const [way, behave] of Object.entries(apps)) {
    it(`one that ${way}`, async () => {
      const asked = Promise.withResolvers<void>()
      const app = createServer({ allowHalfOpen: true }, (socket) => {
        socket.on('error', () => {})
        behave(socket)
        asked.resolve()
      })
      const stack = await startStack({ app, upstreamProtocol: 'http2', listen: 'http2: all' })
      const visitor = connectHttp2(`http://${APP_HOST}`, { createConnection: () => connect(stack.port, '127.0.0.1') })
      const stream = visitor.request({ ':method': 'POST', ':path': '/' })
      stream.on('error', () => {}) // it may be refused
      stream.write(Buffer.alloc(MUCH))
      await asked.promise // it is connected
      await new Promise((resolve) => setTimeout(resolve, LATER_MS)) // until all windows are full
      stream.close(constants.NGHTTP2_CANCEL)
      while (!stack.log.some((line) => line.includes('"msg":"exchange"'))) await new Promise(setImmediate)
      const leaving = performance.now()
      await Promise.all(stack.agents.map((agent) => agent.close()))
      assert.ok(performance.now() - leaving < 10_000, 'the agent had streams left')
      visitor.destroy()
      await stack.close()
    })
  }
})

function names(): string[] {
  return Object.keys(APPS).flatMap((app) => Object.keys(VISITORS).map((visitor) => `app ${app}, visitor ${visitor}`))
}

function openSockets(): number {
  return process.getActiveResourcesInfo().filter((each) => each === 'TCPSocketWrap').length
}

function later(socket: Socket, end: () => void, bytes?: Buffer): void {
  if (bytes) socket.write(bytes)
  setTimeout(end, LATER_MS)
}

/** Switches, then acts as the request's `X-App` says. */
function serveUpgrade(socket: Socket): void {
  let head = ''
  const onData = (chunk: Buffer): void => {
    head += chunk.toString('latin1')
    if (!head.includes('\r\n\r\n')) return
    socket.off('data', onData)
    socket.once('data', () => {
      socket.pause()
      APPS[/^X-App: (.*)\r$/m.exec(head)![1]!]!(socket) // the test writes one of its keys
    })
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${ACCEPT}\r\n\r\n`,
    )
  }
  socket.on('error', () => {}).on('data', onData)
}

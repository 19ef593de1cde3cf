// Visitors who take little at a time, and visitors who take nothing, in one process with real sockets. The relay can
// see only whether the last piece has left: the system buffers millions of bytes for a connection on loopback, and
// reports room only when a third is free. So "little" is a share of that here, and a few kilobytes over HTTP/2, which
// limits bytes by the visitor's own window.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { DATA, frame, RawHttp2, request, RST_STREAM, SETTINGS, WINDOW_UPDATE } from '../support/raw-http2.ts'
import { acceptWebSocket, webSocketRequest } from '../support/raw-web-socket.ts'
import { APP_HOST, httpApp, startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'
import { until } from '../support/until.ts'

const STALL_MS = 1000
const TAKE_EVERY_MS = 200
const BYTES = 16 * 1024 * 1024
const HTTP2_BYTES = 1024 * 1024
/** More than a third of the four megabytes that Linux may hold for a connection, in each second. */
const TAKE_BYTES = 600 * 1024
/** More than the 64 KiB of a piece in each second. */
const HTTP2_TAKE_BYTES = 48 * 1024

describe('issue 11: visitors who read slowly', { timeout: 60_000, concurrency: true }, () => {
  let stack: Stack
  before(async () => {
    const app = httpApp((request, response) => response.end(bytesFor(request)))
    app.on('upgrade', (request, socket) => {
      acceptWebSocket(request, socket)
      socket.write(bytesFor(request))
    })
    const config = `timeouts: { visitor_stall_seconds: ${STALL_MS / 1000}, upgrade_idle_seconds: ${STALL_MS / 1000} }`
    stack = await startStack({ app, listen: 'http2: all', config })
  })
  after(() => stack.close())

  const isOver = (path: string): boolean =>
    stack.log.some((line) => line.includes('"msg":"exchange"') && line.includes(`"path":"${path}"`))

  const WAYS = {
    'HTTP/1.1': (path: string) => `GET ${path} HTTP/1.1\r\nHost: ${APP_HOST}\r\nConnection: close\r\n\r\n`,
    'an upgrade': (path: string) => webSocketRequest(APP_HOST, [], path),
  }

  for (const [way, ask] of Object.entries(WAYS)) {
    it(`over ${way}: a visitor who takes a little at a time gets the whole answer`, async () => {
      const visitor = stopped(stack, ask(`/${BYTES}/little`))
      const since = performance.now()
      let received = Buffer.alloc(0)
      while (bodyOf(received).length < BYTES && !visitor.readableEnded) {
        await sleep(TAKE_EVERY_MS)
        received = Buffer.concat([received, await take(visitor, TAKE_BYTES)])
      }
      assert.equal(bodyOf(received).length, BYTES)
      assert.ok(performance.now() - since > 4 * STALL_MS, 'it took long enough')
      visitor.destroy()
    })

    it(`over ${way}: a visitor who takes nothing is cut`, async () => {
      const path = `/${BYTES}/nothing/${encodeURIComponent(way)}`
      const visitor = stopped(stack, ask(path))
      await until('the relay ends the exchange', () => isOver(path))
      let received = 0
      for await (const chunk of visitor) received += (chunk as Buffer).length
      assert.ok(received < BYTES, `${received} bytes came`)
    })
  }

  /** Opens a window of `bytes` for the stream and its connection. */
  const open = (bytes: number): Buffer => {
    const payload = Buffer.alloc(4)
    payload.writeUInt32BE(bytes)
    return Buffer.concat([frame(WINDOW_UPDATE, 0, 0, payload), frame(WINDOW_UPDATE, 0, 1, payload)])
  }

  /** A visitor whose window is closed. */
  function visitHttp2(path: string): RawHttp2 {
    const visitor = new RawHttp2(stack.port)
    visitor.write(frame(SETTINGS, 0, 0, Buffer.from('000400000000', 'hex'))) // SETTINGS_INITIAL_WINDOW_SIZE: 0
    const fields = { ':method': 'GET', ':scheme': 'http', ':authority': APP_HOST, ':path': path }
    visitor.write(request(1, Object.entries(fields)))
    return visitor
  }
  const isReset = (visitor: RawHttp2): boolean => visitor.frames.some(({ type }) => type === RST_STREAM)
  const received = (visitor: RawHttp2): number =>
    visitor.frames.reduce((sum, { type, payload }) => sum + (type === DATA ? payload.length : 0), 0)

  it('over HTTP/2: a visitor who takes a little at a time gets the whole answer', async () => {
    const visitor = visitHttp2(`/${HTTP2_BYTES}`)
    const since = performance.now()
    while (received(visitor) < HTTP2_BYTES) {
      assert.ok(!isReset(visitor), `reset after ${received(visitor)} bytes`)
      await sleep(TAKE_EVERY_MS)
      visitor.write(open(HTTP2_TAKE_BYTES))
    }
    assert.ok(performance.now() - since > 4 * STALL_MS, 'it took long enough')
    visitor.close()
  })

  it('over HTTP/2: a visitor who takes nothing is cut', async () => {
    const visitor = visitHttp2(`/${HTTP2_BYTES}`)
    visitor.write(open(HTTP2_TAKE_BYTES)) // and no more
    await visitor.until(({ type }) => type === RST_STREAM)
    assert.ok(received(visitor) <= HTTP2_TAKE_BYTES)
    visitor.close()
  })
})

/** `/1000/…` asks for a thousand. */
function bytesFor({ url = '' }: IncomingMessage): Buffer {
  return Buffer.alloc(Number(url.split('/')[1]), 'x')
}

/** A visitor who has sent a request and reads only when told to. */
function stopped(stack: Stack, question: string): Socket {
  const socket = connect({ port: stack.port, host: '127.0.0.1' })
  socket.on('error', () => {}) // the tests wait for the cut
  socket.pause()
  socket.write(question)
  return socket
}

/** The bytes after the head. */
function bodyOf(answer: Buffer): Buffer {
  const end = answer.indexOf('\r\n\r\n')
  return answer.subarray(end === -1 ? answer.length : end + 4)
}

/** Takes a number of bytes, or fewer if the connection ends before. */
async function take(socket: Socket, bytes: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  for (let taken = 0; taken < bytes && !socket.readableEnded;) {
    const chunk = socket.read() as Buffer | null
    if (!chunk) {
      assert.ok(!socket.destroyed, 'the connection was cut')
      await once(socket, 'readable') // at the end as well
      continue
    }
    chunks.push(chunk)
    taken += chunk.length
  }
  return Buffer.concat(chunks)
}

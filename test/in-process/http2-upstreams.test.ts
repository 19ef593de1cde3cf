// Apps that speak HTTP/2 with prior knowledge, behind visitors who speak HTTP/1.1. Real relay, agent and sockets.

import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import type { ClientRequest, IncomingMessage, RequestOptions } from 'node:http'
import { constants, createServer as createHttp2Server } from 'node:http2'
import type { Http2Server, IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from 'node:http2'
import { createServer as createNetServer } from 'node:net'
import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import { buffer, text } from 'node:stream/consumers'
import { after, before, describe, it } from 'node:test'

import { DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, RST_STREAM, SETTINGS } from '../support/raw-http2.ts'
import { RawClient } from '../support/raw-client.ts'
import { APP_HOST, httpApp, startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'

type Handler = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void

function open(
  stack: Stack,
  options: RequestOptions = {},
): { request: ClientRequest; response: Promise<IncomingMessage> } {
  const request = httpRequest({
    port: stack.port,
    host: '127.0.0.1',
    agent: false,
    ...options,
    headers: { host: APP_HOST, ...(options.headers as Record<string, string>) },
  })
  return { request, response: once(request, 'response').then(([message]) => message as IncomingMessage) } // as documented
}

function get(stack: Stack, options: RequestOptions = {}, body?: Buffer | string | Readable): Promise<IncomingMessage> {
  const { request, response } = open(stack, options)
  if (body instanceof Readable) body.pipe(request)
  else request.end(body)
  return response
}

const hash = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

describe('an app that speaks HTTP/2', () => {
  let stack: Stack
  let app: Http2Server
  const sessions = new Set<ServerHttp2Session>()
  let opened = 0
  /** The app's action, set by each test. */
  let answer: Handler = (stream) => stream.respond({ ':status': 204 }, { endStream: true })
  before(async () => {
    app = createHttp2Server()
    app.on('session', (session) => {
      opened++
      sessions.add(session)
      session.on('close', () => sessions.delete(session))
    })
    app.on('stream', (stream, headers) => {
      stream.on('error', () => {}) // the tests check the visitors' side
      answer(stream, headers)
    })
    stack = await startStack({ app, upstreamProtocol: 'http2' })
  })
  after(async () => {
    for (const session of sessions) session.destroy()
    await stack.close()
  })

  it('gets the request with the same header rules', async () => {
    let seen: IncomingHttpHeaders = {}
    answer = (stream, headers) => {
      seen = headers
      stream.respond({ ':status': 200, 'x-app': 'yes', 'set-cookie': ['a=1', 'b=2'], 'sallyport-error-code': 'fake' })
      stream.end('hello')
    }
    const response = await get(stack, {
      path: '/x/%20y?q=1&q=2',
      headers: {
        'X-Mixed-Case': 'kept',
        Connection: 'x-listed',
        'X-Listed': 'dropped',
        X_Forwarded_For: '10.0.0.1',
        'Sallyport-Auth-User-Id': 'forged',
        Cookie: 'mine=1; __Host-sallyport.x.session=secret',
        TE: 'trailers',
      },
    })
    assert.equal(response.statusCode, 200)
    assert.equal(await text(response), 'hello')
    assert.equal(response.headers['x-app'], 'yes')
    assert.deepEqual(response.headers['set-cookie'], ['a=1', 'b=2'])
    assert.equal(response.headers['sallyport-error-code'], undefined)
    assert.equal(seen[':path'], '/x/%20y?q=1&q=2')
    assert.equal(seen[':authority'], APP_HOST)
    assert.equal(seen[':scheme'], 'http')
    assert.equal(seen['x-mixed-case'], 'kept')
    assert.equal(seen['x-forwarded-for'], '127.0.0.1')
    assert.equal(seen['te'], 'trailers')
    assert.equal(seen['cookie'], 'mine=1')
    for (const name of ['host', 'connection', 'x-listed', 'x_forwarded_for', 'sallyport-auth-user-id']) {
      assert.equal(seen[name], undefined, name)
    }
  })

  it('serves many exchanges over one connection', async () => {
    answer = (stream, headers) => {
      stream.respond({ ':status': 200 })
      stream.end(headers[':path'])
    }
    await get(stack)
    const before = opened
    const bodies = await Promise.all(
      Array.from({ length: 80 }, async (_, index) => text(await get(stack, { path: `/${index}` }))),
    )
    assert.deepEqual(
      bodies,
      Array.from({ length: 80 }, (_, index) => `/${index}`),
    )
    assert.ok(opened - before <= 1, `${opened - before} more connections`)
  })

  it('carries large bodies both ways intact', async () => {
    answer = (stream, headers) => {
      stream.respond({ ':status': 200, 'x-length': headers['content-length'] ?? 'none' })
      stream.pipe(stream)
    }
    const sent = randomBytes(8 * 1024 * 1024)
    for (const headers of [{ 'content-length': String(sent.length) }, {}]) {
      const response = await get(stack, { method: 'POST', headers }, Readable.from(pieces(sent, 50_000)))
      assert.equal(response.headers['x-length'], headers['content-length'] ?? 'none')
      assert.equal(hash(await buffer(response)), hash(sent))
    }
  })

  it('lets both directions flow at once', async () => {
    answer = (stream) => {
      stream.respond({ ':status': 200 })
      stream.on('data', (chunk: Buffer) => stream.write(`echo ${chunk.toString()}`))
      stream.on('end', () => stream.end('over'))
    }
    const { request, response } = open(stack, { method: 'POST' })
    request.flushHeaders()
    const message = await response
    for (const word of ['one', 'two']) {
      request.write(word)
      const [chunk] = (await once(message, 'data')) as [Buffer]
      assert.equal(chunk.toString(), `echo ${word}`)
    }
    request.end()
    assert.equal(await text(message), 'over')
  })

  it('passes trailers on in both directions, without forbidden fields', async () => {
    let fromVisitor: string[] | undefined
    answer = (stream) => {
      stream.on('trailers', (_headers, _flags, raw: string[]) => (fromVisitor = raw))
      stream.resume().on('end', () => {
        stream.respond({ ':status': 200 }, { waitForTrailers: true })
        stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0', 'set-cookie': 'x=1' }))
        stream.end('body')
      })
    }
    const { request, response } = open(stack, { method: 'POST', headers: { trailer: 'x-sum' } })
    request.addTrailers({ 'X-Sum': '42', Authorization: 'no' })
    request.end('abc')
    const message = await response
    assert.equal(await text(message), 'body')
    assert.deepEqual(message.trailers, { 'grpc-status': '0' })
    assert.deepEqual(fromVisitor, ['x-sum', '42'])
  })

  it('answers HEAD, 204 and 304 without a body, and passes early hints on', async () => {
    answer = (stream, headers) => {
      stream.additionalHeaders({ ':status': 103, link: '</a.css>; rel=preload' })
      const status = headers[':path'] === '/304' ? 304 : 200
      stream.respond({ ':status': status, 'content-length': '5' }, { endStream: true })
    }
    const { request, response } = open(stack, { method: 'HEAD' })
    const hints = once(request, 'information') as Promise<[{ statusCode: number; headers: IncomingHttpHeaders }]>
    request.end()
    const head = await response
    assert.equal(head.headers['content-length'], '5')
    assert.equal(await text(head), '')
    const [{ statusCode, headers }] = await hints
    assert.deepEqual([statusCode, headers.link], [103, '</a.css>; rel=preload'])
    assert.equal((await get(stack, { path: '/304' })).statusCode, 304)
  })

  it('lets the app decide on 100-continue', async () => {
    answer = (stream) => {
      stream.additionalHeaders({ ':status': 100 })
      stream.respond({ ':status': 200 })
      stream.pipe(stream)
    }
    const { request, response } = open(stack, {
      method: 'PUT',
      headers: { expect: '100-continue', 'content-length': '4' },
    })
    request.flushHeaders()
    await once(request, 'continue')
    request.end('data')
    assert.equal(await text(await response), 'data')
  })

  it('tells the app when the visitor leaves, and leaves its neighbours alone', async () => {
    const slow = Promise.withResolvers<ServerHttp2Stream>()
    const gone = Promise.withResolvers<number>()
    answer = (stream, headers) => {
      stream.respond({ ':status': 200 })
      stream.write('begun')
      if (headers[':path'] === '/slow') return slow.resolve(stream)
      stream.on('close', () => gone.resolve(stream.rstCode ?? -1))
    }
    const staying = await get(stack, { path: '/slow' })
    const { request, response } = open(stack)
    request.end()
    await once(await response, 'data')
    request.destroy()
    assert.equal(await gone.promise, constants.NGHTTP2_CANCEL)
    ;(await slow.promise).end(' and done')
    assert.equal(await text(staying), 'begun and done')
  })

  it('holds the app back while the visitor reads nothing', async () => {
    let written = 0
    const held = Promise.withResolvers<void>()
    answer = (stream) => {
      stream.respond({ ':status': 200 })
      const chunk = Buffer.alloc(64 * 1024)
      const fill = (): void => {
        while (written < 64 * 1024 * 1024) {
          written += chunk.length
          if (stream.write(chunk)) continue
          // No progress for so long means that every buffer on the way is full.
          const standing = setTimeout(() => held.resolve(), 300)
          stream.once('drain', () => {
            clearTimeout(standing)
            fill()
          })
          return
        }
        held.reject(new Error('everything was taken'))
      }
      fill()
    }
    const client = new RawClient(stack.port)
    client.socket.pause()
    client.write(`GET / HTTP/1.1\r\nHost: ${APP_HOST}\r\n\r\n`)
    await held.promise
    assert.ok(written < 32 * 1024 * 1024, `${written} bytes were taken`)
    client.close()
  })

  it('cuts the visitor off if the app dies half-way, and answers 502 if it had not begun', async () => {
    answer = (stream) => {
      stream.respond({ ':status': 200 })
      stream.write('half')
      setImmediate(() => stream.session?.destroy())
    }
    const response = await get(stack)
    await assert.rejects(text(response), /aborted|ECONNRESET/)
    answer = (stream) => stream.close(constants.NGHTTP2_INTERNAL_ERROR)
    const refused = await get(stack, { method: 'POST' }, 'x')
    assert.equal(refused.statusCode, 502)
    assert.equal(refused.headers['sallyport-error-code'], 'ERR_APP_BAD_ANSWER')
  })

  it('repeats a request that the app has not processed, with its body', async () => {
    let refused = 0
    answer = (stream) => {
      if (refused++ === 0) return stream.close(constants.NGHTTP2_REFUSED_STREAM)
      stream.respond({ ':status': 200 })
      stream.pipe(stream)
    }
    assert.equal(await text(await get(stack, { method: 'POST' }, 'precious')), 'precious')
    assert.equal(refused, 2)
  })

  it('reconnects after a GOAWAY of the app', async () => {
    answer = (stream) => {
      stream.respond({ ':status': 200 })
      stream.end('here')
    }
    await get(stack)
    const before = opened
    await Promise.all(
      [...sessions].map((session) => {
        const closed = once(session, 'close')
        session.close()
        return closed
      }),
    )
    assert.equal(await text(await get(stack, { method: 'POST' }, 'x')), 'here')
    assert.equal(opened, before + 1)
  })

  it('lets an agent leave when its exchanges have ended, without waiting for idle connections', async () => {
    const held = Promise.withResolvers<ServerHttp2Stream>()
    answer = (stream) => {
      stream.respond({ ':status': 200 })
      stream.write('first')
      held.resolve(stream)
    }
    const response = await get(stack)
    const leaving = stack.agents[0]!.close() // one is started by default
    await once(response, 'data')
    ;(await held.promise).end('last')
    assert.equal(await text(response), 'last')
    await leaving
    await stack.addAgent()
    assert.equal((await get(stack)).statusCode, 200)
  })

  it('refuses a WebSocket with a page that says why', async () => {
    const response = await get(stack, {
      headers: {
        connection: 'Upgrade',
        upgrade: 'websocket',
        'sec-websocket-version': '13',
        'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
      },
    })
    assert.equal(response.statusCode, 501)
    assert.equal(response.headers['sallyport-error-code'], 'ERR_UPGRADE_UNSUPPORTED')
  })
})

describe('an app that should speak HTTP/2', () => {
  it('is recognised if it speaks HTTP/1.1', async () => {
    const stack = await startStack({ app: httpApp((_, response) => response.end()), upstreamProtocol: 'http2' })
    try {
      const response = await get(stack)
      assert.equal(response.statusCode, 502)
      assert.ok(stack.log.some((line) => line.includes('does not speak HTTP/2 with prior knowledge')))
    } finally {
      await stack.close()
    }
  })

  it('is down if nothing listens', async () => {
    const app = createNetServer()
    const stack = await startStack({ app, upstreamProtocol: 'http2', upstream: 'http://127.0.0.1:1' })
    try {
      const response = await get(stack, { method: 'POST' }, 'x')
      assert.equal(response.statusCode, 502)
      assert.equal(response.headers['sallyport-error-code'], 'ERR_APP_DOWN')
    } finally {
      await stack.close()
    }
  })
})

describe('an app that lies in HTTP/2', () => {
  /** The app's bytes after its SETTINGS, once a request has come. */
  let reply: Buffer[] = []
  let stack: Stack
  const sockets = new Set<Socket>()
  before(async () => {
    const app = createNetServer((socket) => {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.write(frame(SETTINGS, 0, 0))
      let received = Buffer.alloc(0)
      socket.on('data', (chunk: Buffer) => {
        received = Buffer.concat([received, chunk])
        const id = firstRequest(received)
        if (id === undefined) return
        received = Buffer.alloc(0)
        for (const bytes of reply) socket.write(withStream(bytes, id))
      })
    })
    stack = await startStack({ app, upstreamProtocol: 'http2' })
  })
  after(async () => {
    for (const socket of sockets) socket.destroy()
    await stack.close()
  })

  const STATUS_200 = Buffer.from([0x88]) // RFC 7541, static table
  const head = (...fields: Buffer[]): Buffer => frame(HEADERS, END_HEADERS, 1, Buffer.concat([STATUS_200, ...fields]))
  const field = (name: string, value: string): Buffer =>
    Buffer.concat([Buffer.from([0, name.length]), Buffer.from(name), Buffer.from([value.length]), Buffer.from(value)])
  const body = (size: number, flags = 0): Buffer => frame(DATA, flags, 1, Buffer.alloc(size, 'x'))
  const reset = (code: number): Buffer => frame(RST_STREAM, 0, 1, Buffer.from([0, 0, 0, code]))

  const cutOff: [string, () => Buffer[]][] = [
    ['half an answer, reset as if all were well', () => [head(), body(4), reset(0)]],
    ['half an answer, cancelled', () => [head(), body(4), reset(8)]],
    ['half an answer, reset with an error', () => [head(), body(4), reset(2)]],
    ['less than its length', () => [head(field('content-length', '9')), body(4, END_STREAM)]],
    ['more than its length', () => [head(field('content-length', '3')), body(4), body(4, END_STREAM)]],
    ['half an answer and an error for the whole connection', () => [head(), body(4), goaway(1)]],
  ]
  for (const [what, bytes] of cutOff) {
    it(`attack 16: cuts the visitor off at ${what}`, async () => {
      reply = bytes()
      const { request, response } = open(stack, { method: 'POST' })
      request.end('x')
      await assert.rejects(async () => {
        const message = await response
        assert.equal(message.statusCode, 502) // it may be known before the head has left
        await text(message)
        throw new Error('aborted')
      }, /aborted|ECONNRESET|hang up|200/)
    })
  }

  const bad: [string, () => Buffer[]][] = [
    ['two lengths', () => [head(field('content-length', '1'), field('content-length', '2')), body(1, END_STREAM)]],
    [
      'a head beyond the limit',
      () => [head(...Array.from({ length: 2000 }, (_, i) => field(`x-${i}`, 'y'.repeat(100))))],
    ],
    ['an upper-case name', () => [head(field('X-Upper', '1')), body(1, END_STREAM)]],
    ['a header that only a connection has', () => [head(field('transfer-encoding', 'chunked')), body(1, END_STREAM)]],
    ['a body before the head', () => [body(4)]],
    ['garbage', () => [Buffer.alloc(64, 0xff)]],
    ['a reset before the head', () => [reset(2)]],
  ]
  for (const [what, bytes] of bad) {
    it(`attack 16: answers 502 to ${what}`, async () => {
      reply = bytes()
      const response = await get(stack, { method: 'POST' }, 'x')
      assert.equal(response.statusCode, 502)
      response.resume()
    })
  }

  it('attack 16: makes no header of text after a line break in a value', async () => {
    reply = [head(field('x-evil', 'a\r\nset-cookie: b')), body(1, END_STREAM)]
    const { headers } = await get(stack)
    assert.deepEqual([headers['set-cookie'], headers['x-evil']], [undefined, undefined])
  })

  it('serves the next request all the same', async () => {
    reply = [head(), body(4, END_STREAM)]
    assert.equal(await text(await get(stack)), 'xxxx')
  })

  function goaway(code: number): Buffer {
    return frame(GOAWAY, 0, 0, Buffer.from([0, 0, 0, 0, 0, 0, 0, code]))
  }

  function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
    // A head that is larger than a frame continues in CONTINUATION frames.
    if (payload.length > 16_384) {
      const rest = payload.subarray(16_384)
      return Buffer.concat([
        frame(type, flags & ~END_HEADERS, stream, payload.subarray(0, 16_384)),
        frame(9, rest.length > 16_384 ? 0 : END_HEADERS, stream, rest),
      ])
    }
    const header = Buffer.alloc(9)
    header.writeUIntBE(payload.length, 0, 3)
    header[3] = type
    header[4] = flags
    header.writeUInt32BE(stream, 5)
    return Buffer.concat([header, payload])
  }

  /** The id of the first HEADERS frame after the preface and other frames. */
  function firstRequest(bytes: Buffer): number | undefined {
    let offset = bytes.subarray(0, 3).toString() === 'PRI' ? 24 : 0
    while (offset + 9 <= bytes.length) {
      if (bytes[offset + 3] === HEADERS) return bytes.readUInt32BE(offset + 5)
      offset += 9 + bytes.readUIntBE(offset, 3)
    }
    return undefined
  }

  /** Puts the id of the request into each frame that belongs to a stream. */
  function withStream(bytes: Buffer, id: number): Buffer {
    const frames = Buffer.from(bytes)
    for (let offset = 0; offset + 9 <= frames.length; offset += 9 + frames.readUIntBE(offset, 3)) {
      if (frames.readUInt32BE(offset + 5) === 1) frames.writeUInt32BE(id, offset + 5)
    }
    return frames
  }
})

function* pieces(bytes: Buffer, size: number): Iterable<Buffer> {
  for (let offset = 0; offset < bytes.length; offset += size) yield bytes.subarray(offset, offset + size)
}

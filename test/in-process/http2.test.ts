// Visitors over HTTP/2, cleartext with prior knowledge: requests that cross the relay, requests that are refused, and
// faults that end the connection. Real relay, agent and sockets. TLS and sign-in are tested in e2e/http2.test.ts.

import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { connect, constants } from 'node:http2'
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http2'
import { connect as connectSocket, createServer as createNetServer } from 'node:net'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { after, afterEach, before, describe, it } from 'node:test'

import { WebSocketServer } from 'ws'
import type { WebSocket } from 'ws'

import { RawClient, sendRaw } from '../support/raw-client.ts'
import {
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  GOAWAY,
  HEADERS,
  PING,
  PRIORITY,
  RST_STREAM,
  RawHttp2,
  SETTINGS,
  WINDOW_UPDATE,
  block,
  frame,
  request,
} from '../support/raw-http2.ts'
import { APP_HOST, httpApp, startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'
import { until } from '../support/until.ts'

type Handler = (request: IncomingMessage, response: ServerResponse) => void
type Fields = (readonly [name: string, value: string])[]

interface Answer {
  status: number
  headers: IncomingHttpHeaders
  trailers: IncomingHttpHeaders
  body: Buffer
}

const { NGHTTP2_CANCEL, NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_INTERNAL_ERROR, NGHTTP2_NO_ERROR, NGHTTP2_REFUSED_STREAM } =
  constants

/** Everything that a visitor has opened, to be closed after each test. */
const open: (() => void)[] = []
afterEach(() => {
  for (const close of open.splice(0)) close()
})

function visit(stack: Stack, host = APP_HOST): ClientHttp2Session {
  const session = connect(`http://${host}:${stack.port}`, {
    createConnection: () => connectSocket(stack.port, '127.0.0.1'),
  })
  session.on('error', () => {}) // the streams report it
  open.push(() => session.destroy())
  return session
}

function raw(stack: Stack): RawHttp2 {
  const visitor = new RawHttp2(stack.port)
  open.push(() => visitor.close())
  return visitor
}

async function ask(session: ClientHttp2Session, headers: OutgoingHttpHeaders = {}, body?: Buffer): Promise<Answer> {
  const stream = session.request({ ':path': '/', ...headers }, { endStream: body === undefined })
  if (body) stream.end(body)
  return read(stream)
}

async function read(stream: ClientHttp2Stream): Promise<Answer> {
  let trailers: IncomingHttpHeaders = {}
  stream.on('trailers', (fields) => (trailers = fields))
  const [headers] = (await once(stream, 'response')) as [IncomingHttpHeaders] // as node:http2 documents
  const body = await buffer(stream)
  if (stream.rstCode !== NGHTTP2_NO_ERROR) throw new Error(`reset ${stream.rstCode}`)
  return { status: Number(headers[':status']), headers, trailers, body }
}

/** A request of literal fields; given ones replace the usual pseudo-headers or follow them. */
function fields(own: Record<string, string | undefined> = {}, further: Fields = []): Fields {
  const pseudo = { ':method': 'GET', ':scheme': 'http', ':authority': APP_HOST, ':path': '/', ...own }
  return [...Object.entries(pseudo).filter((pair): pair is [string, string] => pair[1] !== undefined), ...further]
}

function word(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

describe('HTTP/2', { timeout: 60_000 }, () => {
  let stack: Stack
  /** An app whose answer each test sets. */
  let answer: Handler = (_, response) => response.end()
  /** Requests that the app has seen. */
  let seen = 0
  const webSockets = new WebSocketServer({ noServer: true })

  before(async () => {
    const app = httpApp((request, response) => {
      seen++
      answer(request, response)
    })
    app.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => answer(request, response))
    app.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      seen++
      socket.on('error', () => {}) // the other side left
      if (request.url === '/no') return void socket.end('HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno')
      if (request.url === '/lie') {
        return void socket.write(
          'HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n',
        )
      }
      webSockets.handleUpgrade(request, socket, head, (webSocket) => {
        webSocket.on('message', (message, isBinary) => webSocket.send(message, { binary: isBinary }))
        webSockets.emit('seen', request, webSocket)
      })
    })
    stack = await startStack({
      app,
      agents: 2,
      listen: 'http2: all',
      config: 'limits: { streams_per_connection: 64, header_bytes: 8192, headers_count: 50 }',
    })
  })
  after(() => stack.close())

  describe('carries', () => {
    it('a request in the form of HTTP/1.1, and its answer', async () => {
      answer = (request, response) => {
        response.setHeader('Set-Cookie', ['a=1', 'b=2'])
        response.setHeader('Connection', 'X-Private')
        response.setHeader('X-Private', '1')
        response.end(JSON.stringify({ url: request.url, version: request.httpVersion, raw: request.rawHeaders }))
      }
      const { status, headers, body } = await ask(visit(stack), {
        ':path': '/x/%20y?q=1&q=2',
        cookie: ['a=1', 'b=2', 'sallyport.x.session=mine'],
        'x-forwarded-for': '10.0.0.1',
        'x-own': 'yes',
      })
      assert.equal(status, 200)
      assert.deepEqual(headers['set-cookie'], ['a=1', 'b=2'])
      assert.equal(headers['x-private'], undefined)
      assert.equal(headers.connection, undefined)
      const seen = JSON.parse(body.toString()) as { raw: string[] } // our app wrote it
      const requestId = seen.raw[seen.raw.indexOf('Sallyport-Request-Id') + 1]!
      assert.match(requestId, /^req_/)
      assert.deepEqual(seen, {
        url: '/x/%20y?q=1&q=2',
        version: '1.1',
        raw: [
          ['Host', APP_HOST],
          ['x-own', 'yes'],
          ['cookie', 'a=1; b=2'],
          ['X-Forwarded-For', '127.0.0.1'],
          ['X-Forwarded-Proto', 'http'],
          ['X-Forwarded-Host', APP_HOST],
          ['Sallyport-Request-Id', requestId],
          ['CDN-Loop', 'relay.localhost'],
        ].flat(),
      })
    })

    it('S6: Host alone, as intermediaries send it (RFC 9113 8.3.1)', async () => {
      let host: string | undefined
      answer = (request, response) => {
        host = request.headers.host
        response.end()
      }
      const visitor = raw(stack)
      visitor.write(request(1, fields({ ':authority': undefined }, [['host', APP_HOST]])))
      assert.equal(await visitor.answer(1), '200')
      assert.equal(host, APP_HOST)
    })

    it('HTTP/1.1 on the same port, in any order', async () => {
      answer = (request, response) => response.end(request.method)
      const tail = ` / HTTP/1.1\r\nHost: ${APP_HOST}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`
      assert.match(await sendRaw(stack.port, `GET${tail}`), /^HTTP\/1.1 200 OK[^]*GET$/)
      assert.match(await sendRaw(stack.port, `PROPFIND${tail}`), /^HTTP\/1.1 200 OK[^]*PROPFIND$/)
      assert.match(await sendRaw(stack.port, 'PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n'), /^HTTP\/1.1 400 /)
      const slow = new RawClient(stack.port)
      open.push(() => slow.close())
      await once(slow.socket, 'connect')
      for (const letter of 'PUT') {
        slow.write(letter)
        await new Promise((resolve) => setImmediate(resolve))
      }
      slow.write(tail)
      assert.match(await slow.until(/PUT$/), /^HTTP\/1.1 200 OK/)
    })

    it('the preface in single bytes', async () => {
      answer = (_, response) => response.end('ok')
      const socket = connectSocket(stack.port, '127.0.0.1')
      open.push(() => socket.destroy())
      await once(socket, 'connect')
      socket.setNoDelay()
      const bytes = Buffer.concat([
        Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
        frame(SETTINGS, 0, 0),
        request(1, fields()),
      ])
      let received = ''
      socket.setEncoding('latin1').on('data', (text: string) => (received += text))
      for (const byte of bytes) {
        socket.write(Buffer.of(byte))
        await new Promise((resolve) => setImmediate(resolve))
      }
      while (!received.endsWith('ok')) await once(socket, 'data')
    })

    it('agents, over HTTP/1.1', () => {
      assert.deepEqual(
        stack.agents.map((agent) => agent.status.state),
        ['online', 'online'],
      )
    })

    for (const [what, headers] of [
      ['of a stated length', { 'content-length': String(8 * 1024 * 1024) }],
      ['of unknown length', {}],
    ] as const) {
      it(`large bodies ${what} both ways`, async () => {
        answer = (request, response) => {
          const length = request.headers['content-length']
          response.writeHead(200, length === undefined ? {} : { 'content-length': length })
          request.pipe(response)
        }
        const sent = randomBytes(8 * 1024 * 1024)
        const { body } = await ask(visit(stack), { ':method': 'POST', ...headers }, sent)
        assert.equal(hash(body), hash(sent))
      })
    }

    it('many streams of one connection, each balanced by itself', async () => {
      const waiting: ServerResponse[] = []
      let onAll: (() => void) | undefined
      answer = (_, response) => {
        if (waiting.push(response) === 40) onAll?.()
      }
      const session = visit(stack)
      const all = new Promise<void>((resolve) => (onAll = resolve))
      const from = stack.log.length
      const asked = Array.from({ length: 40 }, () => ask(session))
      await all
      for (const response of waiting) response.end('ok')
      for (const { body } of await Promise.all(asked)) assert.equal(body.toString(), 'ok')
      const tunnels = stack.log
        .slice(from)
        .map((line) => JSON.parse(line) as { msg?: string; tunnelId?: string }) // the log is JSON
        .filter(({ msg }) => msg === 'exchange')
        .map(({ tunnelId }) => tunnelId)
      const [first] = tunnels
      assert.equal(tunnels.length, 40)
      assert.equal(tunnels.filter((tunnel) => tunnel === first).length, 20)
    })

    it('trailers both ways, without deceptive ones', async () => {
      answer = (request, response) => {
        request.resume().on('end', () => {
          response.writeHead(200, { trailer: 'X-Sum' })
          response.write('body')
          response.addTrailers({
            'X-Sum': 'abc',
            'X-Got': JSON.stringify(request.trailers),
            'Sallyport-Error-Code': 'x',
          })
          response.end()
        })
      }
      const stream = visit(stack).request(
        { ':path': '/', ':method': 'POST', te: 'trailers' },
        { waitForTrailers: true },
      )
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-mine': '1', authorization: 'evil', host: 'evil' }))
      stream.end('ab')
      const { body, trailers } = await read(stream)
      assert.equal(body.toString(), 'body')
      assert.equal(trailers['x-sum'], 'abc')
      assert.equal(trailers['x-got'], '{"x-mine":"1"}')
      assert.equal(trailers['sallyport-error-code'], undefined)
    })

    it('100-continue once the app says so, and early hints', async () => {
      let heard = 0
      answer = (request, response) => {
        assert.equal(heard, 0)
        response.writeContinue()
        request.on('data', () => heard++)
        request.on('end', () => {
          response.writeEarlyHints({ link: '</style.css>; rel=preload; as=style' })
          response.end('page')
        })
      }
      const stream = visit(stack).request({ ':path': '/', ':method': 'POST', expect: '100-continue' })
      const interim: IncomingHttpHeaders[] = []
      stream.on('headers', (headers) => interim.push(headers))
      await once(stream, 'continue')
      assert.equal(heard, 0)
      stream.end('body')
      assert.equal((await read(stream)).body.toString(), 'page')
      assert.deepEqual(
        interim.map((headers) => [headers[':status'], headers.link]),
        [
          [100, undefined],
          [103, '</style.css>; rel=preload; as=style'],
        ],
      )
    })

    it('HEAD, 204 and 304 without bodies', async () => {
      answer = (request, response) => {
        response.writeHead(Number(request.url?.slice(1)), {
          etag: '"x"',
          ...(request.method === 'HEAD' && { 'content-length': 5 }),
        })
        response.end()
      }
      const session = visit(stack)
      const head = await ask(session, { ':method': 'HEAD', ':path': '/200' })
      assert.deepEqual([head.status, head.headers['content-length'], head.body.length], [200, '5', 0])
      for (const status of [204, 304]) {
        const bare = await ask(session, { ':path': `/${status}` })
        assert.deepEqual([bare.status, bare.headers.etag, bare.body.length], [status, '"x"', 0])
      }
    })

    it('every chunk of an event stream at once, its head first', async () => {
      let stream: ServerResponse | undefined
      answer = (_, response) => {
        stream = response
        response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
      }
      const asked = visit(stack).request({ ':path': '/' })
      const [headers] = (await once(asked, 'response')) as [IncomingHttpHeaders] // as node:http2 documents
      assert.equal(headers['content-type'], 'text/event-stream')
      for (const event of ['data: 1\n\n', 'data: 2\n\n']) {
        stream?.write(event)
        assert.equal(String((await once(asked, 'data'))[0]), event)
      }
    })

    it('the pages of the relay', async () => {
      const session = visit(stack, 'nobody.localhost')
      const { status, headers, body } = await ask(session, { accept: 'text/html' })
      assert.equal(status, 404)
      assert.equal(headers['sallyport-error-code'], 'ERR_EDGE_NOT_FOUND')
      assert.match(body.toString(), /Nothing is served at this address/)
      const post = await ask(session, { ':method': 'POST' }, Buffer.alloc(1000))
      assert.equal(post.status, 404)
    })
  })

  describe('ends', () => {
    it('the request at the app when the visitor resets the stream, and no other', async () => {
      const left = new Promise<void>((resolve) => {
        answer = (request, response) => {
          if (request.url === '/') return void response.end('ok')
          response.write('begun')
          response.on('close', resolve)
        }
      })
      const session = visit(stack)
      const stream = session.request({ ':path': '/hang' })
      await once(stream, 'data')
      stream.close(NGHTTP2_CANCEL)
      await left
      assert.equal((await ask(session)).body.toString(), 'ok')
    })

    for (const code of [NGHTTP2_NO_ERROR, NGHTTP2_CANCEL]) {
      it(`attack 17: an upload that is reset with code ${code} never looks complete to the app`, async () => {
        const ended = new Promise<string>((resolve) => {
          answer = (request) => {
            request.on('data', () => visitor.write(frame(RST_STREAM, 0, 1, word(code))))
            request.on('end', () => resolve('complete')).on('error', () => resolve('cut'))
          }
        })
        const visitor = raw(stack)
        visitor.write(request(1, fields({ ':method': 'POST' }), 0))
        visitor.write(frame(DATA, 0, 1, Buffer.from('half')))
        assert.equal(await ended, 'cut')
      })
    }

    it('an answer that breaks off with a reset, never with a clean end', async () => {
      answer = (_, response) => {
        response.writeHead(200)
        response.write('half')
        setImmediate(() => response.destroy())
      }
      const visitor = raw(stack)
      visitor.write(request(1, fields()))
      assert.equal(await visitor.answer(1), '200')
      const reset = await visitor.until(({ type }) => type === RST_STREAM)
      assert.equal(reset.payload.readUInt32BE(), NGHTTP2_INTERNAL_ERROR)
      const onStream = visitor.frames.filter(({ stream }) => stream === 1)
      assert.ok(onStream.every(({ type, flags }) => type > HEADERS || (flags & END_STREAM) === 0))
    })

    it('the request without an error when the app has answered before its end', async () => {
      answer = (_, response) => response.writeHead(413).end('too much')
      const visitor = raw(stack)
      visitor.write(request(1, fields({ ':method': 'POST' }), 0))
      visitor.write(frame(DATA, 0, 1, Buffer.from('the beginning')))
      assert.equal(await visitor.answer(1), '413')
      const reset = await visitor.until(({ type }) => type === RST_STREAM)
      assert.equal(reset.payload.readUInt32BE(), NGHTTP2_NO_ERROR)
      const last = visitor.frames.findLast(({ type }) => type === DATA)
      assert.equal((last?.flags ?? 0) & END_STREAM, END_STREAM, 'the answer is complete before the reset')
    })

    it('real-apps 3, 4: no request whose END_STREAM comes a moment after the answer, but the next one', async () => {
      answer = (_, response) => response.end('early')
      const visitor = raw(stack)
      for (const [stream, method] of [
        [1, 'GET'], // without END_STREAM it may still have a body
        [3, 'POST'],
        [5, 'PUT'],
      ] as const) {
        visitor.write(request(stream, fields({ ':method': method }), 0))
        if (stream > 1) visitor.write(frame(DATA, 0, stream, Buffer.from('all of it')))
        assert.equal(await visitor.answer(stream), '200')
        await visitor.until((each) => each.stream === stream && each.type === DATA && (each.flags & END_STREAM) > 0)
        if (stream < 5) visitor.write(frame(DATA, END_STREAM, stream))
      }
      const reset = await visitor.until(({ type }) => type === RST_STREAM)
      assert.deepEqual([reset.stream, reset.payload.readUInt32BE()], [5, NGHTTP2_NO_ERROR])
      visitor.write(request(7, fields()))
      assert.equal(await visitor.answer(7), '200')
    })

    it('real-apps 3: an exchange with its answer, while its stream stays open and counts for a moment', async () => {
      answer = (_, response) => response.end('early')
      const visitor = raw(stack)
      const [start, from] = [performance.now(), stack.log.length]
      // SETTINGS_MAX_CONCURRENT_STREAMS is 64, and requests that never end do not get around it.
      for (let i = 0; i < 64; i++) visitor.write(request(1 + 2 * i, fields({ ':method': 'POST', ':path': '/half' }), 0))
      for (let i = 0; i < 64; i++) assert.equal(await visitor.answer(1 + 2 * i), '200')
      visitor.write(request(129, fields()))
      const next = await visitor.answer(129)
      const hasPlace = visitor.frames.some(({ type, stream }) => type === RST_STREAM && stream < 129) // on a slow machine
      assert.equal(next, hasPlace ? '200' : `reset ${NGHTTP2_REFUSED_STREAM}`)
      for (let i = 0; i < 64; i++) await visitor.until((each) => each.type === RST_STREAM && each.stream === 1 + 2 * i)
      const elapsed = performance.now() - start
      visitor.write(request(131, fields()))
      assert.equal(await visitor.answer(131), '200')
      const lines = stack.log.slice(from).filter((line) => line.includes('"path":"/half"'))
      assert.equal(lines.length, 64)
      for (const line of lines)
        assert.ok(Number(/"ms":([\d.]+)/.exec(line)?.[1]) < elapsed - 250, `${elapsed} ms: ${line}`)
    })

    it('nothing: an unread stream holds up neither the others nor the app (attack 34)', async () => {
      let written = 0
      answer = (request, response) => {
        if (request.url === '/') return void response.end('ok')
        const fill = (): void => {
          do written++
          while (response.write(Buffer.alloc(65_536)) && written < 10_000)
        }
        response.on('drain', fill)
        fill()
      }
      const session = visit(stack)
      const slow = session.request({ ':path': '/slow' })
      await once(slow, 'response')
      for (let round = 0; round < 20; round++) assert.equal((await ask(session)).body.toString(), 'ok')
      assert.ok(written < 200, `the app is held back: ${written} chunks`)
      slow.close(NGHTTP2_CANCEL)
    })
  })

  describe('WebSockets (RFC 8441)', () => {
    async function openWebSocket(
      path: string,
      headers: OutgoingHttpHeaders = {},
    ): Promise<[ClientHttp2Stream, IncomingHttpHeaders]> {
      const session = visit(stack)
      await once(session, 'remoteSettings')
      assert.equal(session.remoteSettings.enableConnectProtocol, true)
      const stream = session.request({
        ':method': 'CONNECT',
        ':protocol': 'websocket',
        ':path': path,
        ':scheme': 'http',
        'sec-websocket-version': '13',
        ...headers,
      })
      const [answered] = (await once(stream, 'response')) as [IncomingHttpHeaders] // as node:http2 documents
      return [stream, answered]
    }

    it('run through an app that speaks HTTP/1.1', async () => {
      const accepted = once(webSockets, 'seen')
      const [stream, headers] = await openWebSocket('/chat?room=1', {
        'sec-websocket-protocol': 'chat',
        'sec-websocket-key': 'a key of the visitor',
        origin: 'http://elsewhere.example',
      })
      assert.equal(headers[':status'], 200)
      assert.equal(headers['sec-websocket-protocol'], 'chat')
      for (const name of ['sec-websocket-accept', 'upgrade', 'connection']) assert.equal(headers[name], undefined)
      const [request] = (await accepted) as [IncomingMessage] // as emitted above
      assert.equal(request.url, '/chat?room=1')
      assert.equal(request.headers.origin, 'http://elsewhere.example')
      let received = Buffer.alloc(0)
      stream.on('data', (chunk: Buffer) => (received = Buffer.concat([received, chunk])))
      const message = randomBytes(60_000)
      stream.write(masked(2, message))
      while (received.length < 4 + message.length) await once(stream, 'data')
      assert.equal(hash(received.subarray(4)), hash(message))
      const [, webSocket] = (await accepted) as [IncomingMessage, WebSocket] // as emitted above
      const closed = once(webSocket, 'close')
      stream.end(masked(8, Buffer.from([4321 >> 8, 4321 & 0xff])))
      await once(stream, 'close')
      assert.equal(received.subarray(-4).toString('hex'), '880210e1')
      assert.equal((await closed)[0], 4321)
    })

    it('end at the app when the visitor resets the stream', async () => {
      const accepted = once(webSockets, 'seen')
      const [stream] = await openWebSocket('/')
      const [, webSocket] = (await accepted) as [IncomingMessage, WebSocket] // as emitted above
      const closed = once(webSocket, 'close')
      stream.close(NGHTTP2_CANCEL)
      assert.equal((await closed)[0], 1006)
    })

    it('pass on the refusal of an app', async () => {
      const [stream, headers] = await openWebSocket('/no')
      assert.equal(headers[':status'], 403)
      assert.equal((await buffer(stream)).toString(), 'no')
    })

    it('are refused if the app only pretends to switch', async () => {
      const [, headers] = await openWebSocket('/lie')
      assert.equal(headers[':status'], 502)
    })
  })

  describe('refuses', () => {
    const refused: Record<string, [fields: Fields, answers: string[]]> = {
      'attack 7: an :authority that differs from Host': [fields({}, [['host', 'evil.example']]), ['400', 'reset 1']],
      'attack 7: two Host fields': [
        fields({}, [
          ['host', APP_HOST],
          ['host', APP_HOST],
        ]),
        ['400', 'reset 1'],
      ],
      'attack 7: two :authority': [
        [...fields(), [':authority', APP_HOST]],
        ['400', 'reset 1'],
      ],
      'neither :authority nor Host': [fields({ ':authority': undefined }), ['400', 'reset 1']],
      'no :authority, and two Host fields': [
        fields({ ':authority': undefined }, [
          ['host', APP_HOST],
          ['host', APP_HOST],
        ]),
        ['400', 'reset 1'],
      ],
      'an empty :authority beside a Host': [fields({ ':authority': '' }, [['host', APP_HOST]]), ['400', 'reset 1']],
      'no :authority, and a Host with user info': [
        fields({ ':authority': undefined }, [['host', `x@${APP_HOST}`]]),
        ['400', 'reset 1'],
      ],
      'an :authority with user info': [fields({ ':authority': `x@${APP_HOST}` }), ['400', 'reset 1']],
      'attack 2: # in the path': [fields({ ':path': '/a#b' }), ['400', 'reset 1']],
      'attack 3: a backslash in the path': [fields({ ':path': '/a\\b' }), ['400', 'reset 1']],
      'attack 7: a path in absolute form': [fields({ ':path': 'http://evil.example/' }), ['400', 'reset 1']],
      'an empty path': [fields({ ':path': '' }), ['400', 'reset 1']],
      'OPTIONS *': [fields({ ':method': 'OPTIONS', ':path': '*' }), ['400']],
      'another :scheme': [fields({ ':scheme': 'https' }), ['400']],
      'an unknown pseudo-header': [fields({ ':evil': '1' }), ['400', 'reset 1']],
      'a pseudo-header behind others': [
        [['x', 'y'], ...fields()],
        ['400', 'reset 1'],
      ],
      'attack 8: CONNECT': [fields({ ':method': 'CONNECT', ':scheme': undefined, ':path': undefined }), ['405']],
      'attack 8: TRACE': [fields({ ':method': 'TRACE' }), ['405']],
      'a method that HTTP/1.1 would not take': [fields({ ':method': 'EVIL' }), ['400']],
      'attack 31: a :protocol that is no WebSocket': [
        fields({ ':method': 'CONNECT', ':protocol': 'connect-udp' }),
        ['501'],
      ],
      'a :protocol without CONNECT': [fields({ ':protocol': 'websocket' }), ['400', 'reset 1']],
      'attack 31: Upgrade': [fields({}, [['upgrade', 'h2c']]), ['400', 'reset 1']],
      'attack 17: Transfer-Encoding': [fields({}, [['transfer-encoding', 'chunked']]), ['400', 'reset 1']],
      'attack 17: Connection': [fields({}, [['connection', 'x-forwarded-for']]), ['400', 'reset 1']],
      'attack 17: te with another coding': [fields({}, [['te', 'gzip']]), ['400', 'reset 1']],
      'attack 17: two lengths': [
        fields({}, [
          ['content-length', '1'],
          ['content-length', '2'],
        ]),
        ['400', 'reset 1'],
      ],
      'attack 17: a signed length': [fields({}, [['content-length', '+0']]), ['400', 'reset 1']],
      'attack 17: a length without a body': [fields({}, [['content-length', '1']]), ['400', 'reset 1']],
      'attack 17: a header name in upper case': [fields({}, [['X-A', 'b']]), ['400', 'reset 1']],
      'attack 17: a line feed in the path': [fields({ ':path': '/ HTTP/1.1\r\nevil: 1' }), ['400', 'reset 1']],
      'attack 17: a line feed in the method': [fields({ ':method': 'GET / HTTP/1.1\r\nx: ' }), ['400', 'reset 1']],
      'more header fields than the limit': [
        fields(
          {},
          Array.from({ length: 60 }, (_, i) => [`x-${i}`, ''] as const),
        ),
        ['431'],
      ],
      'a larger head than the limit': [fields({}, [['x-a', 'b'.repeat(9000)]]), ['431']],
      'far more header fields than the limit': [
        fields(
          {},
          Array.from({ length: 120 }, (_, i) => [`x-${i}`, ''] as const),
        ),
        ['reset 11'],
      ],
    }
    for (const [what, [head, answers]] of Object.entries(refused)) {
      it(what, async () => {
        seen = 0
        const visitor = raw(stack)
        visitor.write(request(1, head))
        const got = await visitor.answer(1)
        assert.ok(answers.includes(got), got)
        assert.equal(seen, 0, 'nothing reaches the app')
      })
    }

    // nghttp2 drops such fields, and node:http2 does not report it.
    for (const [what, name, value] of [
      ['a space in a header name', 'x-evil ', 'b'],
      ['a colon in a header name', 'x:evil', 'b'],
      ['a line feed in a value', 'x-a', 'b\r\nevil: 1'],
      ['NUL in a value', 'x-a', 'evil\0'],
    ] as const) {
      it(`attack 17: ${what}, at least that field`, async () => {
        let heard = ''
        answer = ({ rawHeaders }, response) => response.end((heard = rawHeaders.join('|')))
        const visitor = raw(stack)
        visitor.write(request(1, fields({}, [[name, value]])))
        assert.match(await visitor.answer(1), /^(?:200|400|reset 1)$/)
        assert.doesNotMatch(heard, /evil|x-a/)
      })
    }

    it('attack 17: a body of another length than stated', async () => {
      let isComplete = false
      answer = (request, response) => {
        if (request.method === 'GET') response.end('ok')
        else request.resume().on('end', () => (isComplete = true))
      }
      const visitor = raw(stack)
      visitor.write(request(1, fields({ ':method': 'POST' }, [['content-length', '4']]), 0))
      visitor.write(frame(DATA, END_STREAM, 1, Buffer.from('abc')))
      assert.equal(await visitor.answer(1), 'reset 1')
      await ask(visit(stack))
      assert.equal(isComplete, false)
    })

    it('more streams than the limit, while the others continue', async () => {
      const waiting: ServerResponse[] = []
      answer = (_, response) => void waiting.push(response)
      const visitor = raw(stack)
      for (let i = 0; i < 65; i++) visitor.write(request(2 * i + 1, fields()))
      assert.equal(await visitor.answer(129), 'reset 7')
      await until('the app has 64 requests', () => waiting.length >= 64)
      for (const response of waiting) response.end('ok')
      assert.equal(await visitor.answer(127), '200')
    })

    it('more header fields than the limit on HTTP/1.1 with 431, too', async () => {
      const many = Array.from({ length: 60 }, (_, i) => `X-${i}: 1\r\n`).join('')
      assert.match(
        await sendRaw(stack.port, `GET / HTTP/1.1\r\nHost: ${APP_HOST}\r\nConnection: close\r\n${many}\r\n`),
        /^HTTP\/1.1 431 /,
      )
    })
  })

  describe('attack 35: ends the connection on', () => {
    const head = fields({ ':path': '/hang' })
    const streams = (i: number): number => 2 * i + 1
    const bombs = Buffer.concat([
      block(fields()),
      // RFC 7541 6.2.1: one field that fills the dynamic table, then 12 000 references to it: 48 MB in 16 KB.
      Buffer.from([0x40, 1, 0x61, 127, ((4000 - 127) % 128) | 0x80, (4000 - 127) >> 7]),
      Buffer.alloc(4000, 'x'),
      Buffer.alloc(12_000, 0x80 | 62),
    ])
    const floods: Record<string, [piece: (i: number) => Buffer, first?: Buffer]> = {
      'rapid reset': [(i) => Buffer.concat([request(streams(i), head), frame(RST_STREAM, 0, streams(i), word(8))])],
      'resets that the relay is made to send': [
        (i) => Buffer.concat([request(streams(i), head), frame(WINDOW_UPDATE, 0, streams(i), word(0))]),
      ],
      'malformed requests without end': [(i) => request(streams(i), fields({}, [['connection', 'close']]))],
      'streams beyond the limit without end': [(i) => request(streams(i), head)],
      'a CONTINUATION flood': [() => frame(CONTINUATION, 0, 1, block([['a', 'b']])), frame(HEADERS, 0, 1, block(head))],
      'an empty CONTINUATION flood': [() => frame(CONTINUATION, 0, 1), frame(HEADERS, 0, 1, block(head))],
      'header bombs': [(i) => frame(HEADERS, END_HEADERS | END_STREAM, streams(i), bombs)],
      'a PING flood': [() => frame(PING, 0, 0, Buffer.alloc(8))],
      'a SETTINGS flood': [() => frame(SETTINGS, 0, 0, Buffer.from([0, 4, 0, 1, 0, 0]))],
      'a WINDOW_UPDATE flood': [() => frame(WINDOW_UPDATE, 0, 0, word(1))],
      'a PRIORITY flood': [(i) => frame(PRIORITY, 0, streams(i), Buffer.alloc(5))],
      'a flood of unknown frames': [() => frame(0x77, 0, 0, word(0))],
      'a flood of empty DATA': [
        () => frame(DATA, 0, 1),
        request(1, fields({ ':method': 'POST', ':path': '/hang' }), 0),
      ],
      garbage: [() => randomBytes(1000)],
    }
    for (const [what, [piece, first]] of Object.entries(floods)) {
      it(what, async () => {
        answer = () => {} // hangs
        const visitor = raw(stack)
        if (first) visitor.write(first)
        const over = visitor.untilOver()
        let isOver = false
        void over.then(() => (isOver = true))
        for (let i = 0; !isOver;) {
          const pieces = Array.from({ length: 50 }, () => piece(i++))
          if (visitor.write(Buffer.concat(pieces))) await new Promise((resolve) => setImmediate(resolve))
          else await Promise.race([new Promise((resolve) => visitor.socket.once('drain', resolve)), over])
        }
        await over
      })
    }

    // HEAD at an unknown host: the relay answers by itself, and without a body that would need a window.
    const plain = fields({ ':method': 'HEAD', ':authority': 'nobody.localhost' })
    const long = (size: number) =>
      Buffer.concat([Buffer.from([127, ((size - 127) % 128) | 0x80, (size - 127) >> 7]), Buffer.alloc(size, 'x')]) // RFC 7541 5.1
    for (const [what, each, size] of [
      ['PING', frame(PING, 0, 0, Buffer.alloc(8)), 800],
      ['WINDOW_UPDATE', frame(WINDOW_UPDATE, 0, 0, word(1)), 1800],
    ] as const) {
      it(
        `audit, hardening: a flood of ${what} after heads that are long only before HPACK`,
        { timeout: 20_000 },
        async () => {
          const visitor = raw(stack)
          const filled = Buffer.concat([block(plain), Buffer.from([0x40, 1, 0x61]), long(4000)])
          visitor.write(frame(HEADERS, END_HEADERS | END_STREAM, 1, filled))
          assert.equal(await visitor.answer(1), '404')
          // Seven bytes that decode to 28 000.
          const repeated = Buffer.concat([block(plain), Buffer.alloc(7, 0x80 | 62)])
          const noise = Buffer.concat(Array<Buffer>(size).fill(each))
          const over = visitor.untilOver()
          let isOver = false
          void over.then(() => (isOver = true))
          for (let i = 1; !isOver; i++) {
            visitor.write(Buffer.concat([frame(HEADERS, END_HEADERS | END_STREAM, streams(i), repeated), noise]))
            await Promise.race([new Promise((resolve) => setTimeout(resolve, 20)), over])
          }
          assert.equal(await over, NGHTTP2_ENHANCE_YOUR_CALM)
        },
      )
    }

    it('but not on long heads of proxies that compress nothing', async () => {
      const visitor = raw(stack)
      for (let i = 0; i < 100; i++) {
        const head = Buffer.concat([block(plain), ...[1, 2].flatMap(() => [Buffer.from([0x10, 1, 0x61]), long(6000)])])
        visitor.write(frame(HEADERS, END_HEADERS | END_STREAM, streams(i), head))
        await visitor.answer(streams(i))
      }
      await new Promise((resolve) => setTimeout(resolve, 1100)) // two sweeps
      visitor.write(request(streams(100), plain))
      assert.equal(await visitor.answer(streams(100)), '404')
      visitor.close()
    })

    it('and leaves nothing behind, while other visitors are served', async () => {
      answer = (_, response) => response.end('ok')
      assert.equal((await ask(visit(stack))).body.toString(), 'ok')
      // Every exchange of the floods has ended: each has its line in the log, and no tunnel counts it as in flight.
      const stopped = stack.relay.close()
      await stopped
      const warnings = stack.log.filter((line) => line.includes('drain deadline passed'))
      assert.deepEqual(warnings, [])
    })
  })
})

describe('HTTP/2 connections', { timeout: 60_000 }, () => {
  const config =
    'timeouts: { keep_alive_seconds: 1, request_head_seconds: 1, visitor_stall_seconds: 1, request_stall_seconds: 1 }'
  let stack: Stack
  let answer: Handler = (_, response) => response.end('ok')
  before(async () => {
    stack = await startStack({
      app: httpApp((request, response) => answer(request, response)),
      listen: 'http2: all',
      config,
    })
  })
  after(() => stack.close())

  for (const [what, bytes] of [
    ['says nothing', Buffer.alloc(0)],
    ['stops within the preface', Buffer.from('PRI * HTTP')],
  ] as const) {
    it(`attack 34: end if a visitor ${what}`, async () => {
      const socket = connectSocket(stack.port, '127.0.0.1')
      socket.on('error', () => {}) // the test waits for its end
      socket.write(bytes)
      await once(socket.resume(), 'close')
    })
  }

  it('attack 34: end in order if no request comes, or its head never ends', async () => {
    const idle = raw(stack)
    const slow = raw(stack)
    slow.write(frame(HEADERS, END_STREAM, 1, block(fields().slice(0, 2))))
    const pinging = raw(stack)
    const timer = setInterval(() => pinging.write(frame(PING, 0, 0, Buffer.alloc(8))), 100)
    for (const visitor of [idle, slow, pinging]) assert.equal(await visitor.untilOver(), NGHTTP2_NO_ERROR)
    clearInterval(timer)
  })

  it('end in order after the last stream, and not before', async () => {
    answer = (_, response) => setTimeout(() => response.end('late'), 1800)
    const session = visit(stack)
    const goaway = once(session, 'goaway')
    assert.equal((await ask(session)).body.toString(), 'late')
    assert.equal((await goaway)[0], NGHTTP2_NO_ERROR)
  })

  it('attack 34: reset a stream whose visitor takes no byte, and one whose body stalls', async () => {
    answer = (request, response) => {
      if (request.method === 'POST') return void request.resume()
      response.end(Buffer.alloc(1024 * 1024))
    }
    const visitor = raw(stack)
    visitor.write(request(1, fields()))
    const reset = await visitor.until(({ type, stream }) => type === RST_STREAM && stream === 1)
    assert.equal(reset.payload.readUInt32BE(), NGHTTP2_INTERNAL_ERROR)
    const other = raw(stack)
    other.write(request(1, fields({ ':method': 'POST' }), 0))
    assert.equal(await other.answer(1), '408')
  })

  it('attack 34: end if a visitor takes nothing of a refusal', async () => {
    const visitor = raw(stack)
    visitor.write(frame(SETTINGS, 0, 0, Buffer.from('000400000000', 'hex'))) // SETTINGS_INITIAL_WINDOW_SIZE: 0
    visitor.write(request(1, fields({ ':authority': 'nobody.localhost' })))
    assert.equal(await visitor.answer(1), '404')
    await visitor.untilOver()
  })

  it('attack 16: give 502 to an app that lies, and the next request a good answer', async () => {
    const lies = [
      'garbage\r\n\r\n',
      'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nab',
      'HTTP/1.1 101 Yes\r\n\r\n',
    ]
    const sockets = new Set<Socket>()
    const app = createNetServer((socket) => {
      sockets.add(socket)
      socket.on('error', () => {}) // the agent throws the connection away
      socket.on('data', () => socket.write(lies.shift() ?? 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'))
    })
    const lying = await startStack({ app, listen: 'http2: all' })
    open.push(() => sockets.forEach((socket) => socket.destroy()))
    try {
      const session = visit(lying)
      for (let round = 0; round < 3; round++) {
        assert.equal((await ask(session)).headers['sallyport-error-code'], 'ERR_APP_BAD_ANSWER')
      }
      assert.equal((await ask(session)).body.toString(), 'ok')
    } finally {
      for (const socket of sockets) socket.destroy()
      await lying.close()
    }
  })

  it('count towards the limit of connections of one address', async () => {
    const few = await startStack({
      app: httpApp((_, response) => response.end('ok')),
      agents: 0,
      listen: 'http2: all',
      config: 'limits: { visitor_connections_per_address: 3 }',
    })
    try {
      const visitors = Array.from({ length: 3 }, () => raw(few))
      for (const visitor of visitors) await visitor.until(({ type }) => type === SETTINGS)
      const late = raw(few)
      late.write(request(1, fields()))
      assert.equal(await late.answer(1), '429')
      await late.untilOver()
      visitors[0]?.close()
    } finally {
      await few.close()
    }
  })

  it('get GOAWAY when the relay stops, and finish their exchanges', async () => {
    let running: ServerResponse | undefined
    const reached = new Promise<void>((resolve) => {
      answer = (_, response) => {
        running = response
        response.write('first, ')
        resolve()
      }
    })
    const session = visit(stack)
    const goaway = once(session, 'goaway')
    const asked = ask(session)
    await reached
    const closed = stack.relay.close()
    assert.equal((await goaway)[0], NGHTTP2_NO_ERROR)
    running?.end('and last')
    assert.equal((await asked).body.toString(), 'first, and last')
    await closed
  })
})

describe('cleartext without HTTP/2', () => {
  it('answers the preface with 400, as HTTP/1.1 does', async () => {
    const stack = await startStack({ app: httpApp((_, response) => response.end()), agents: 0 })
    try {
      const visitor = raw(stack)
      visitor.write(request(1, fields()))
      await visitor.untilOver()
      assert.ok(!visitor.frames.some(({ type }) => type === GOAWAY || type === HEADERS))
    } finally {
      await stack.close()
    }
  })
})

function hash(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** A frame of a WebSocket client (RFC 6455 5.2). A mask of zeroes is one, too. */
function masked(opcode: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(payload.length < 126 ? 6 : 8)
  head[0] = 0x80 | opcode
  head[1] = 0x80 | Math.min(payload.length, 126)
  if (payload.length >= 126) head.writeUInt16BE(payload.length, 2)
  return Buffer.concat([head, payload])
}

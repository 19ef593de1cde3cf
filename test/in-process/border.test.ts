// The border around an exchange and around a connection to an app: odd bytes of an app, and faults of our own code
// that apps and visitors drive, end only the exchange they belong to. A fault past a border would be an uncaught
// exception of this process, and the runner would fail the current test. Real relay, agent and sockets.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2'
import type { IncomingHttpHeaders } from 'node:http2'
import { connect, createServer } from 'node:net'
import type { Server, Socket } from 'node:net'
import { after, afterEach, before, describe, it, mock } from 'node:test'
import { setTimeout } from 'node:timers/promises'

import { Registry } from '../../packages/server/src/tunnel/registry.ts'
import { EdgeTable } from '../../packages/server/src/edge/edge-table.ts'
import { RelayError } from '../../packages/server/src/errors.ts'
import { HeaderEdits } from '../../packages/server/src/exchange/header-edits.ts'
import { ask } from '../support/ask.ts'
import { RawClient, sendRaw } from '../support/raw-client.ts'
import {
  DATA,
  END_HEADERS,
  END_STREAM,
  HEADERS,
  PING,
  RST_STREAM,
  RawHttp2,
  SETTINGS,
  WINDOW_UPDATE,
  block,
  frame,
  request,
} from '../support/raw-http2.ts'
import { webSocketRequest } from '../support/raw-web-socket.ts'
import { WAYS, visit } from '../support/three-ways.ts'
import { APP_HOST, startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'
import { until } from '../support/until.ts'

const OTHER_HOST = 'other.localhost'
const EDGES = `
- { id: edg_app, hosts: [${APP_HOST}] }
- id: edg_other
  hosts: [${OTHER_HOST}]
  routes: [{ path_prefix: /, backend: { fixed_response: { status: 200, body: other } } }]
`

/** A visitor's answer in any version: heads of interim answers first. */
interface Seen {
  informations: string[]
  status: number
  body: string
  trailers: [string, string][]
}

/** An app that writes bytes by hand, once it has the head of a request. */
function rawApp(answer: () => (socket: Socket, request: string) => void): Server {
  return createServer((socket) => {
    socket.on('error', () => {}) // the tests check the visitors' side
    let kept = ''
    socket.on('data', (chunk) => {
      kept += chunk.toString('latin1')
      for (let end = kept.indexOf('\r\n\r\n'); end !== -1; end = kept.indexOf('\r\n\r\n')) {
        const request = kept.slice(0, end + 4)
        kept = kept.slice(end + 4)
        answer()(socket, request)
      }
    })
  })
}

async function overHttp1(stack: Stack, path = '/'): Promise<Seen> {
  const bytes = `GET ${path} HTTP/1.1\r\nHost: ${APP_HOST}\r\nConnection: close\r\n\r\n`
  const answer = await sendRaw(stack.port, bytes)
  const heads = answer.split('\r\n\r\n')
  const informations = heads.filter((head) => head.startsWith('HTTP/1.1 1'))
  const [final = '', ...rest] = heads.slice(informations.length)
  return { informations, status: Number(final.slice(9, 12)), body: rest.join('\r\n\r\n'), trailers: [] }
}

async function overHttp2(stack: Stack, path = '/'): Promise<Seen> {
  const session = connectHttp2(`http://${APP_HOST}`, { createConnection: () => connect(stack.port, '127.0.0.1') })
  try {
    const seen: Seen = { informations: [], status: 0, body: '', trailers: [] }
    const stream = session.request({ ':path': path })
    stream.on('headers', (headers) => seen.informations.push(`${headers[':status']} ${String(headers['link'])}`))
    stream.on('response', (headers) => (seen.status = headers[':status'] ?? 0))
    stream.on('trailers', (_headers, _flags, raw: string[]) => {
      for (let i = 0; i < raw.length; i += 2) seen.trailers.push([raw[i]!, raw[i + 1]!])
    })
    stream.setEncoding('utf8').on('data', (chunk: string) => (seen.body += chunk))
    await once(stream, 'close')
    return seen
  } finally {
    session.destroy()
  }
}

/** The relay's other edge, which must not be affected. */
async function assertOthersAreServed(stack: Stack): Promise<void> {
  const { status, body } = await ask(stack.port, { host: OTHER_HOST })
  assert.deepEqual([status, body], [200, 'other'])
}

/** The frames after the preface of an HTTP/2 client, as far as they have arrived (RFC 9113 3.4 and 4.1). */
function* frames(bytes: Buffer): Generator<{ type: number; stream: number }> {
  for (let at = 24; at + 9 <= bytes.length; at += 9 + bytes.readUIntBE(at, 3)) {
    yield { type: bytes.readUInt8(at + 3), stream: bytes.readUInt32BE(at + 5) }
  }
}

/** Greets in HTTP/2 and resolves with the stream of the first request. */
function whenAsked(socket: Socket, answer: (stream: number) => void): void {
  socket.write(frame(SETTINGS, 0, 0))
  let kept = Buffer.alloc(0)
  socket.on('data', (chunk) => {
    kept = Buffer.concat([kept, chunk])
    const head = [...frames(kept)].find(({ type }) => type === HEADERS)
    if (!head) return
    socket.removeAllListeners('data').resume()
    answer(head.stream)
  })
}

async function internalErrors(stack: Stack): Promise<Record<string, number>> {
  const metrics = (await stack.relay.metrics()) as {
    name: string
    values: { value: number; labels: { border: string } }[]
  }[]
  const { values = [] } = metrics.find(({ name }) => name === 'sallyport_internal_errors_total') ?? {}
  return Object.fromEntries(values.map(({ labels, value }) => [labels.border, value]))
}

describe('odd bytes of an app', () => {
  let stack: Stack
  let answer: (socket: Socket, request: string) => void
  /** Requests that have reached the app. */
  let requests: string[] = []
  before(async () => {
    const app = rawApp(() => (socket, request) => {
      requests.push(request)
      answer(socket, request)
    })
    stack = await startStack({ app, edges: EDGES, listen: 'http2: all' })
  })
  after(() => stack.close())
  afterEach(async () => {
    await assertOthersAreServed(stack)
    assert.deepEqual(await internalErrors(stack), {}, 'what apps send is no fault of ours')
    requests = []
  })

  const withHints = (link: string): void => {
    answer = (socket) => {
      socket.write(`HTTP/1.1 103 Early Hints\r\nLink: ${link}\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok`)
    }
  }

  it('B1, S2: early hints with several links in one line reach visitors of both versions', async () => {
    withHints('</a.css>; rel=preload; as=style, </b.js>; rel="preload stylesheet"')
    for (const visit of [overHttp1, overHttp2]) {
      const { informations, status, body } = await visit(stack)
      assert.deepEqual([status, body], [200, 'ok'])
      assert.equal(informations.length, 1)
      assert.match(informations[0]!, /^(HTTP\/1\.1 )?103 /)
      assert.match(informations[0]!, /<\/a\.css>; rel=preload; as=style, ?<\/b\.js>; rel="preload stylesheet"$/)
    }
  })

  it('B1, S2: early hints without links, or that would stall a pattern, are left out', async () => {
    for (const link of ['nonsense', '</a>; rel="open', `<x>${'; a=b'.repeat(45)}; "`, '<'.repeat(5000)]) {
      withHints(link)
      for (const visit of [overHttp1, overHttp2]) {
        const { informations, status } = await visit(stack)
        assert.deepEqual([informations, status], [[], 200], link)
      }
    }
  })

  it('B1, S2: an upgrade is accepted after early hints', async () => {
    answer = (socket, request) => {
      const key = /^sec-websocket-key: (.*)\r$/im.exec(request)?.[1] ?? ''
      const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
      socket.write('HTTP/1.1 103 Early Hints\r\nLink: </a>, </b>\r\n\r\nHTTP/1.1 101 Switching Protocols\r\n')
      socket.write(`Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`)
      socket.end('frames')
    }
    const seen = await sendRaw(stack.port, webSocketRequest(APP_HOST, []))
    assert.match(seen, /^HTTP\/1\.1 101 [^]*\r\n\r\nframes$/)
  })

  it('B2, S2: trailers may have any name', async () => {
    const names = ['constructor', '__proto__', 'toString', 'x-checksum', 'X-Checksum']
    answer = (socket) => {
      const trailers = names.map((name, index) => `${name}: ${index}\r\n`).join('')
      socket.write(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n${trailers}\r\n`)
    }
    const http1 = await overHttp1(stack)
    assert.equal(http1.status, 200)
    for (const [index, name] of names.entries()) assert.ok(http1.body.includes(`\r\n${name}: ${index}`), name)
    const http2 = await overHttp2(stack)
    assert.deepEqual([http2.status, http2.body], [200, 'ok'])
    assert.deepEqual(
      new Set(http2.trailers.map(([name, value]) => `${name}=${value}`)),
      new Set(['constructor=0', '__proto__=1', 'tostring=2', 'x-checksum=3', 'x-checksum=4']),
    )
  })

  it('S2: a head full of Connection options costs time in proportion to its length', async () => {
    // Once this copied the whole list for each line: for 1.6 s no other visitor was served.
    const options = 'a,'.repeat(15_000)
    const lines = 'connection: a\r\n'.repeat(1500)
    answer = (socket) => {
      socket.write(`HTTP/1.1 200 OK\r\nConnection: ${options}x-mine\r\n${lines}X-Mine: 1\r\nX-Kept: 1\r\n`)
      socket.write('Content-Length: 2\r\n\r\nok')
    }
    for (let i = 0; i < 20; i++) {
      const { status, headers } = await ask(stack.port, { host: APP_HOST })
      assert.deepEqual([status, headers['x-mine'], headers['x-kept']], [200, undefined, '1'])
    }
  })

  it('a 205 that announces a body is well-formed over HTTP/2', async () => {
    answer = (socket) => void socket.write('HTTP/1.1 205 Reset\r\nContent-Length: 2\r\n\r\n{}')
    const { status, body } = await overHttp2(stack)
    assert.deepEqual([status, body], [205, ''])
  })

  for (const [what, method, head] of [
    ['204', 'GET', 'HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n'],
    ['chunked 204', 'GET', 'HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n'],
    ['304', 'GET', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n'],
    ['answer to HEAD', 'HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n'],
  ] as const) {
    it(`B6: nobody gets the late body of a ${what}`, async () => {
      const late: Socket[] = []
      answer = (socket, request) => {
        if (request.includes(' /odd ')) {
          socket.write(head)
          late.push(socket)
          return
        }
        // The rest of the previous answer comes first, on every connection that had one.
        if (late.includes(socket)) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen')
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmine')
      }
      const odd = await ask(stack.port, { host: APP_HOST, path: '/odd', method })
      assert.equal(odd.body, '')
      for (let i = 0; i < 3; i++) assert.equal((await ask(stack.port, { host: APP_HOST })).body, 'mine')
    })
  }
})

describe('bytes after an answer', () => {
  // After a body, so the connection is kept; they come when another visitor's request is sent there.
  for (const [what, late] of [
    ['before the head of the next answer', (socket) => void socket.write('late garbage\r\n\r\n')],
    ['and are no whole head', (socket) => void socket.end('late')],
    ['and look like the beginning of a head', (socket) => void socket.end('HTTP/1.1 408 Request Timeout\r\nConn')],
  ] as [what: string, late: (socket: Socket) => void][]) {
    it(`B6: that come on a kept connection too late to be seen, ${what}, reach no visitor: they get a fresh one`, async () => {
      const kept = new Set<Socket>()
      const app = rawApp(() => (socket) => {
        if (kept.has(socket)) late(socket)
        kept.add(socket)
        if (socket.writable) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmine')
      })
      const stack = await startStack({ app })
      try {
        for (let i = 0; i < 6; i++) {
          const { status, body } = await ask(stack.port, { host: APP_HOST })
          assert.deepEqual([status, body], [200, 'mine'])
        }
        assert.ok(kept.size > 1, 'the first one was left')
      } finally {
        await stack.close()
      }
    })
  }
})

describe('a visitor of HTTP/2 who takes nothing of an early answer', () => {
  it('S2: does not stall the relay when the window opens after the end of the exchange', async () => {
    const app = rawApp(() => (socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine'))
    const config = 'timeouts: { visitor_stall_seconds: 1 }'
    const stack = await startStack({ app, edges: EDGES, listen: 'http2: all', config })
    const visitor = new RawHttp2(stack.port)
    try {
      visitor.write(frame(SETTINGS, 0, 0, Buffer.from('000400000000', 'hex'))) // SETTINGS_INITIAL_WINDOW_SIZE: 0
      const fields = { ':method': 'POST', ':scheme': 'http', ':authority': APP_HOST, ':path': '/' }
      visitor.write(request(1, Object.entries(fields), 0)) // the body continues
      visitor.write(frame(DATA, 0, 1, Buffer.from('hello')))
      assert.equal(await visitor.answer(1), '200')
      const reset = await visitor.until(({ type, stream }) => type === RST_STREAM && stream === 1)
      assert.notEqual(reset.payload.readUInt32BE(), 0, 'half an answer does not look whole')
      visitor.write(frame(WINDOW_UPDATE, 0, 1, Buffer.from('0000ffff', 'hex')))
      visitor.write(frame(PING, 0, 0, Buffer.alloc(8)))
      await assertOthersAreServed(stack) // or this process would make empty frames for good
    } finally {
      visitor.close()
      await stack.close()
    }
  })
})

describe('an app behind --upstream-protocol http2', () => {
  let stack: Stack
  let behave: (socket: Socket) => void
  before(async () => {
    const app = createServer((socket) => {
      socket.on('error', () => {}).resume()
      behave(socket)
    })
    stack = await startStack({ app, edges: EDGES, upstreamProtocol: 'http2', listen: 'http2: all' })
  })
  after(() => stack.close())

  const EMPTY_SETTINGS = frame(SETTINGS, 0, 0)
  const GOAWAY = Buffer.from('0000080700000000000000000000000000', 'hex')
  const ways: Record<string, (socket: Socket) => void> = {
    'greets as SSH': (socket) => socket.write('SSH-2.0-x\r\n'),
    'answers as HTTP/1.1': (socket) => socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n'),
    'ends at once': (socket) => socket.end(),
    'ends behind its SETTINGS': (socket) => socket.end(EMPTY_SETTINGS),
    'resets behind its SETTINGS': (socket) => socket.write(EMPTY_SETTINGS, () => socket.resetAndDestroy()),
    'ends when requests come': (socket) => {
      socket.write(EMPTY_SETTINGS)
      socket.once('data', () => socket.end())
    },
    'is destroyed when requests come': (socket) => {
      socket.write(EMPTY_SETTINGS)
      socket.once('data', () => socket.destroy())
    },
    'sends garbage when requests come': (socket) => {
      socket.write(EMPTY_SETTINGS)
      socket.once('data', () => socket.write('garbage garbage garbage'))
    },
    'goes away when requests come': (socket) => {
      socket.write(EMPTY_SETTINGS)
      socket.once('data', () => socket.end(GOAWAY))
    },
  }
  for (const [way, start] of Object.entries(ways)) {
    it(`B3, S2: one that ${way} causes 502 and nothing else, under load`, async () => {
      behave = start
      for (let round = 0; round < 3; round++) {
        const answers = await Promise.all(
          Array.from({ length: 16 }, (_, index) =>
            ask(
              stack.port,
              index % 2 === 0
                ? { host: APP_HOST }
                : { host: APP_HOST, method: 'POST', body: 'x'.repeat(10_000 * index) },
            ).then(
              ({ status }) => status,
              (error: NodeJS.ErrnoException) => error.code, // the relay answers before the whole body and closes
            ),
          ),
        )
        for (const status of answers) assert.ok([502, 'EPIPE', 'ECONNRESET'].includes(status ?? 0), String(status))
        assert.ok(answers.includes(502))
      }
      await assertOthersAreServed(stack)
      assert.deepEqual(await internalErrors(stack), {})
    })
  }

  it('B3, S2: the upload of an HTTP/2 visitor ends if its app breaks off in the middle', async () => {
    behave = (socket) => {
      socket.write(EMPTY_SETTINGS)
      let bytes = 0
      socket.on('data', (chunk) => {
        bytes += chunk.length
        if (bytes > 40_000) socket.end(GOAWAY)
      })
    }
    const session = connectHttp2(`http://${APP_HOST}`, { createConnection: () => connect(stack.port, '127.0.0.1') })
    try {
      const stream = session.request({ ':path': '/', ':method': 'POST' })
      let status = 0
      stream.on('error', () => {}) // it is reset after the answer: the rest is not needed
      stream.on('response', (headers) => (status = headers[':status'] ?? 0)).resume()
      stream.write(Buffer.alloc(1_000_000))
      await once(stream, 'close')
      assert.equal(status, 502)
      session.close()
      await once(session, 'close')
    } finally {
      session.destroy()
    }
  })

  it('B3: an answer that is complete when the app hangs up is delivered', async () => {
    const body = 'x'.repeat(16_000)
    behave = (socket) => {
      whenAsked(socket, (asked) => {
        const answer = [frame(HEADERS, END_HEADERS, asked, block([[':status', '200']]))]
        answer.push(frame(DATA, 0, asked, Buffer.from(body)), frame(DATA, 0, asked, Buffer.from(body)))
        socket.end(Buffer.concat([...answer, frame(DATA, END_STREAM, asked), GOAWAY]))
      })
    }
    for (let i = 0; i < 10; i++) {
      const seen = await ask(stack.port, { host: APP_HOST })
      assert.deepEqual([seen.status, seen.body.length], [200, 2 * body.length])
    }
  })

  it('S2: an upload that stays unread for a while is not taken for a flood', async () => {
    // While the app has not said EMPTY_SETTINGS, nothing is sent to it; the relay looks at the connection twice a second.
    const { promise: connected, resolve } = Promise.withResolvers<Socket>()
    behave = resolve
    const session = connectHttp2(`http://${APP_HOST}`, { createConnection: () => connect(stack.port, '127.0.0.1') })
    try {
      const body = Buffer.alloc(230_000) // it fits into the window of its stream
      const upload = (authority: string): Promise<unknown> => {
        const stream = session.request({ ':method': 'POST', ':path': '/', ':authority': authority })
        stream.on('error', () => {}) // the rest of its bytes is not needed
        stream.end(body)
        return once(stream, 'response').then(([headers]) => (headers as IncomingHttpHeaders)[':status']) // as documented
      }
      const waiting = upload(APP_HOST)
      assert.equal(await upload('nobody.localhost'), 404, 'it is refused unread')
      const socket = await connected
      await setTimeout(1200)
      socket.end(EMPTY_SETTINGS)
      assert.equal(await waiting, 502)
      assert.equal(session.closed, false, 'no GOAWAY')
    } finally {
      session.destroy()
    }
  })

  it('S2: an answer that must have no body ends with its head, over HTTP/2 as well', async () => {
    behave = (socket) => {
      whenAsked(socket, (asked) => {
        const piece = frame(DATA, 0, asked, Buffer.alloc(16_000))
        socket.write(frame(HEADERS, END_HEADERS, asked, block([[':status', '205']])))
        socket.write(Buffer.concat([piece, piece, piece, frame(DATA, END_STREAM, asked)]))
      })
    }
    const session = connectHttp2(`http://${APP_HOST}`, { createConnection: () => connect(stack.port, '127.0.0.1') })
    const stream = session.request({ ':path': '/', ':method': 'POST' })
    stream.on('error', () => {}) // the rest of its bytes is not needed
    stream.write(Buffer.alloc(200_000))
    const [headers] = (await once(stream, 'response')) as [IncomingHttpHeaders] // as documented
    assert.equal(headers[':status'], 205)
    await until('the relay logs a 205', () => stack.log.some((line) => line.includes('"status":205')))
    session.destroy()
  })
})

describe('a fault of the relay', () => {
  const ROUTES = `
- id: edg_app
  hosts: [${APP_HOST}]
  routes:
    - path_prefix: /
      policy:
        on_http_response: [{ actions: [{ type: add-headers, config: { headers: { X-Edited: "yes" } } }] }]
- id: edg_other
  hosts: [${OTHER_HOST}]
  routes: [{ path_prefix: /, backend: { fixed_response: { status: 200, body: other } } }]
`
  let stack: Stack
  let http2Stack: Stack
  before(async () => {
    const app = rawApp(() => (socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'))
    stack = await startStack({ app, edges: ROUTES, listen: 'http2: all' })
    const http2App = createHttp2Server((_request, response) => response.end('ok'))
    http2Stack = await startStack({ app: http2App, edges: ROUTES, upstreamProtocol: 'http2', listen: 'http2: all' })
  })
  after(async () => {
    await stack.close()
    await http2Stack.close()
  })
  afterEach(() => mock.restoreAll())

  // A fault in the code that edits an answer's head, which runs in listeners of a stream, at an app's bytes.
  const breakEdits = (): void => {
    mock.method(HeaderEdits.prototype, 'touches', () => {
      throw new TypeError('broken for this test')
    })
  }

  const visitors: Record<string, (of: Stack) => Promise<number>> = {
    'HTTP/1.1': async (of) => (await overHttp1(of)).status,
    'HTTP/2': async (of) => (await overHttp2(of)).status,
    'an upgrade': async (of) => Number((await sendRaw(of.port, webSocketRequest(APP_HOST, []))).slice(9, 12)),
  }
  for (const [version, visit] of Object.entries(visitors)) {
    for (const speaks of ['HTTP/1.1', 'HTTP/2'] as const) {
      if (version === 'an upgrade' && speaks === 'HTTP/2') continue // such an app takes none
      it(`S2: over ${version}, to an app that speaks ${speaks}, ends its exchange, is logged once and counted`, async () => {
        const of = speaks === 'HTTP/2' ? http2Stack : stack
        const before = (await internalErrors(of))['exchange'] ?? 0
        of.log.length = 0
        breakEdits()
        assert.equal(await visit(of), 500)
        await assertOthersAreServed(of)
        mock.restoreAll()
        const lines = of.log.filter((line) => line.includes('broken for this test'))
        assert.equal(lines.length, 1)
        assert.match(lines[0]!, /"code":"ERR_INTERNAL"/)
        assert.match(lines[0]!, /border\.test\.ts/, 'the stack stands in the line')
        assert.equal((await internalErrors(of))['exchange'], before + 1)
        assert.notEqual(await visit(of), 500, 'the next one is served')
      })
    }
  }

  for (const way of WAYS) {
    it(`S11: in a challenge that no header can hold, over ${way}, is answered without it`, async () => {
      stack.log.length = 0
      mock.method(EdgeTable.prototype, 'at', () => {
        throw new RelayError('credentials_insufficient', { headers: { 'www-authenticate': 'Bearer scope="lesen☃"' } })
      })
      assert.equal(await visit(way, stack.port, { host: APP_HOST }), 500)
      mock.restoreAll()
      await assertOthersAreServed(stack)
      const lines = stack.log.filter((line) => line.includes('ERR_INTERNAL'))
      assert.equal(lines.length, 1)
      assert.match(lines[0]!, /ERR_INVALID_CHAR/)
    })
  }

  it('S2: from an agent’s message, ends its tunnel session, is logged once and counted', async () => {
    const before = (await internalErrors(stack))['tunnel_session'] ?? 0
    stack.log.length = 0
    mock.method(Registry.prototype, 'join', () => {
      throw new TypeError('broken for this test')
    })
    const adding = stack.addAgent()
    await until('the session ends', () => stack.log.some((line) => line.includes('agent session ended')))
    await assertOthersAreServed(stack)
    assert.equal((await overHttp1(stack)).status, 200, 'the agent that was there serves on')
    mock.restoreAll()
    const lines = stack.log.filter((line) => line.includes('broken for this test'))
    assert.ok(lines.length >= 1)
    for (const line of lines) assert.match(line, /border\.test\.ts.*"border":"tunnel_session"/)
    assert.equal((await internalErrors(stack))['tunnel_session'], before + lines.length)
    await adding // it reconnects
  })

  it('S2: leaves no exchange behind', async () => {
    breakEdits()
    for (let i = 0; i < 20; i++) assert.equal((await overHttp1(stack)).status, 500)
    mock.restoreAll()
    const client = new RawClient(stack.port)
    client.write(`GET / HTTP/1.1\r\nHost: ${APP_HOST}\r\n\r\n`)
    await client.until(/ok$/)
    client.close()
  })
})

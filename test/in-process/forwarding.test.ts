// Bodies, framing, interim responses, trailers and ends across the relay. Real relay, agent and sockets.

import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { request as httpRequest } from 'node:http'
import type { IncomingMessage, RequestOptions, ServerResponse } from 'node:http'
import { createServer as createNetServer } from 'node:net'
import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import { buffer, text } from 'node:stream/consumers'
import { after, before, describe, it } from 'node:test'

import { RawClient, sendRaw } from '../support/raw-client.ts'
import { APP_HOST, httpApp, startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'
import { within } from '../support/until.ts'

type Handler = (request: IncomingMessage, response: ServerResponse) => void

/** An app whose answer each test sets. */
let answer: Handler = (_, response) => response.end()

function get(stack: Stack, options: RequestOptions = {}, body?: Buffer | string | Readable): Promise<IncomingMessage> {
  const request = httpRequest({
    port: stack.port,
    host: '127.0.0.1',
    agent: false,
    ...options,
    headers: { host: APP_HOST, ...(options.headers as Record<string, string>) },
  })
  const response = once(request, 'response').then(([message]) => message as IncomingMessage) // as node:http documents
  if (body instanceof Readable) body.pipe(request)
  else request.end(body)
  return response
}

describe('forwarding', () => {
  let stack: Stack
  before(async () => {
    const app = httpApp((request, response) => answer(request, response))
    app.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => answer(request, response))
    stack = await startStack({ app })
  })
  after(() => stack.close())

  it('carries a plain answer with its headers', async () => {
    answer = (request, response) => {
      response.setHeader('X-Path', request.url ?? '')
      response.setHeader('Set-Cookie', ['a=1', 'b=2'])
      response.end('hello')
    }
    const response = await get(stack, { path: '/x/%20y?q=1&q=2' })
    assert.equal(response.statusCode, 200)
    assert.equal(response.headers['x-path'], '/x/%20y?q=1&q=2')
    assert.deepEqual(response.headers['set-cookie'], ['a=1', 'b=2'])
    assert.equal(await text(response), 'hello')
  })

  it('uploads and downloads large bodies intact', async () => {
    const sent = randomBytes(20 * 1024 * 1024)
    answer = (request, response) => void request.pipe(response)
    const sizes = { 'with a length': { 'content-length': String(sent.length) }, chunked: {} }
    for (const [what, headers] of Object.entries(sizes)) {
      const response = await get(stack, { method: 'POST', headers }, Readable.from(pieces(sent, 60_000)))
      const received = await buffer(response)
      assert.equal(hash(received), hash(sent), what)
    }
  })

  it('streams chunks as they arrive', async () => {
    let appResponse: ServerResponse | undefined
    answer = (_, response) => {
      appResponse = response
      response.write('first')
    }
    const response = await get(stack)
    const [first] = (await once(response, 'data')) as [Buffer]
    assert.equal(first.toString(), 'first')
    appResponse?.end('second')
    assert.equal(await text(response), 'second')
  })

  it('sends the head of an answer at once, before its body begins', async () => {
    let appResponse: ServerResponse | undefined
    answer = (_, response) => {
      appResponse = response
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
    }
    const response = await get(stack)
    assert.equal(response.headers['content-type'], 'text/event-stream')
    appResponse?.end('data: x\n\n')
    assert.equal(await text(response), 'data: x\n\n')
  })

  it('carries the body of a GET, and an empty body of a POST', async () => {
    answer = (request, response) => {
      void text(request).then((body) =>
        response.end(`${request.method} ${request.headers['content-length']} [${body}]`),
      )
    }
    assert.equal(
      await text(await get(stack, { method: 'GET', headers: { 'content-length': '3' } }, 'abc')),
      'GET 3 [abc]',
    )
    assert.equal(await text(await get(stack, { method: 'POST' })), 'POST 0 []')
  })

  it('accepts a POST without a word on its body, for the app and for itself', async () => {
    answer = (request, response) => {
      void text(request).then((body) => response.end(`[${body}]`))
    }
    const post = (host: string, path: string): Promise<string> =>
      sendRaw(
        stack.port,
        `POST ${path} HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/x-www-form-urlencoded\r\nConnection: close\r\n\r\n`,
      )
    assert.match(await post(APP_HOST, '/'), /^HTTP\/1\.1 200 [^]*\[\]/)
    // node:http never ends a body that was not announced: code that waited for its end would wait until a deadline.
    assert.match(await post('relay.localhost', '/oidc/backchannel-logout'), /^HTTP\/1\.1 400 [^]*logout_token/)
  })

  it('answers HEAD with the length and no body', async () => {
    answer = (_, response) => response.writeHead(200, { 'content-length': '5' }).end()
    const response = await get(stack, { method: 'HEAD' })
    assert.equal(response.headers['content-length'], '5')
    assert.equal(await text(response), '')
  })

  it('passes 204 and 304 without a body, on one connection', async () => {
    answer = (request, response) => {
      if (request.url === '/204') response.writeHead(204).end()
      else response.writeHead(304, { etag: '"x"' }).end()
    }
    const client = new RawClient(stack.port)
    client.write(`GET /204 HTTP/1.1\r\nHost: ${APP_HOST}\r\n\r\n`)
    await client.until(/204 No Content\r\n(?:.+\r\n)*\r\n/)
    client.write(`GET /304 HTTP/1.1\r\nHost: ${APP_HOST}\r\nConnection: close\r\n\r\n`)
    const all = await client.untilOver()
    assert.match(all, /304 Not Modified/)
    assert.doesNotMatch(all, /transfer-encoding/i)
    client.close()
  })

  it('passes 100-continue on once the app says so', async () => {
    let heard = 0
    answer = (request, response) => {
      heard++
      response.writeContinue()
      void text(request).then((body) => response.end(body))
    }
    const client = new RawClient(stack.port)
    client.write(
      `POST / HTTP/1.1\r\nHost: ${APP_HOST}\r\nContent-Length: 4\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n`,
    )
    await client.until(/^HTTP\/1.1 100 Continue\r\n\r\n/)
    assert.equal(heard, 1)
    client.write('body')
    assert.match(await client.untilOver(), /200 OK[^]*body$/)
    client.close()
  })

  it('lets the app refuse an expected body', async () => {
    answer = (_, response) => response.writeHead(413).end('too much')
    const client = new RawClient(stack.port)
    client.write(`POST / HTTP/1.1\r\nHost: ${APP_HOST}\r\nContent-Length: 4000000\r\nExpect: 100-continue\r\n\r\n`)
    assert.match(await client.untilOver(), /^HTTP\/1.1 413 /)
    client.close()
  })

  it('passes early hints on', async () => {
    answer = (_, response) => {
      response.writeEarlyHints({ link: '</style.css>; rel=preload; as=style' })
      response.end('page')
    }
    const all = await sendRaw(stack.port, `GET / HTTP/1.1\r\nHost: ${APP_HOST}\r\nConnection: close\r\n\r\n`)
    assert.match(
      all,
      /^HTTP\/1.1 103 Early Hints\r\nLink: <\/style.css>; rel=preload; as=style\r\n\r\nHTTP\/1.1 200 OK/,
    )
  })

  it('carries trailers both ways, without deceptive ones', async () => {
    answer = (request, response) => {
      request.resume().on('end', () => {
        response.writeHead(200, { trailer: 'X-Sum, Content-Length' })
        response.write('body')
        response.addTrailers({ 'X-Sum': 'abc', 'X-Got': JSON.stringify(request.trailers), 'Sallyport-Error-Code': 'x' })
        response.end()
      })
    }
    const all = await sendRaw(
      stack.port,
      `POST / HTTP/1.1\r\nHost: ${APP_HOST}\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\nConnection: close\r\n\r\n` +
        `2\r\nab\r\n0\r\nX-Mine: 1\r\nAuthorization: evil\r\nSallyport_Auth_User_Id: evil\r\nHost: evil\r\n\r\n`,
    )
    assert.match(all, /X-Sum: abc/)
    assert.match(all, /X-Got: {"x-mine":"1"}/)
    assert.doesNotMatch(all, /Sallyport-Error-Code/i)
  })

  it('shows the app the visitor’s address, and nothing that the visitor made up (attacks 1, 9, 12, 13)', async () => {
    let seen: string[] = []
    answer = (request, response) => {
      seen = request.rawHeaders
      response.end()
    }
    await sendRaw(
      stack.port,
      `GET / HTTP/1.1\r\nHost: ${APP_HOST}\r\nX-Keep: 1\r\nX-Forwarded-For: 10.0.0.1\r\nx_forwarded_proto: https\r\n` +
        'X-Forwarded-Uri: /public\r\nForwarded: for=1.2.3.4\r\nX-Original-URL: /admin\r\nX-Rewrite-Url: /admin\r\n' +
        'Sallyport-Auth-User-Id: root\r\nSALLYPORT_AUTH_USER_EMAIL: root@example.com\r\nsallyport-auth-jwt: x\r\n' +
        'X-Real-IP: 1.2.3.4\r\nProxy-Connection: keep-alive\r\nTE: gzip\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n' +
        'Connection: close, X-Hop, x-forwarded-for\r\nX-Hop: secret\r\nX_Hop: secret\r\n\r\n',
    )
    const names = seen.filter((_, index) => index % 2 === 0)
    assert.deepEqual(names, [
      'Host',
      'X-Keep',
      'X-Forwarded-For',
      'X-Forwarded-Proto',
      'X-Forwarded-Host',
      'Sallyport-Request-Id',
      'CDN-Loop',
    ])
    assert.equal(seen[seen.indexOf('X-Forwarded-For') + 1], '127.0.0.1')
    assert.equal(seen[seen.indexOf('X-Forwarded-Proto') + 1], 'http')
    assert.equal(seen[seen.indexOf('X-Forwarded-Host') + 1], APP_HOST)
  })

  it('attack 15: keeps its own cookies from the app, and the app from setting them', async () => {
    let cookie: string | undefined
    answer = (request, response) => {
      cookie = request.headers.cookie
      response.setHeader('Set-Cookie', ['theme=dark', '__Host-sallyport.x.session=evil', ' sallyport.x.session=evil'])
      response.setHeader('Sallyport-Error-Code', 'ERR_FAKE')
      response.end()
    }
    const response = await get(stack, {
      headers: { cookie: 'a=1; __Host-sallyport.abc.session=s; b=2; sallyport.abc.state.n=s; __host-SALLYPORT.x=1' },
    })
    response.resume()
    assert.equal(cookie, 'a=1; b=2')
    assert.deepEqual(response.headers['set-cookie'], ['theme=dark'])
    assert.equal(response.headers['sallyport-error-code'], undefined)
  })

  it('tells the app when the visitor leaves', async () => {
    const { promise: left, resolve } = Promise.withResolvers<void>()
    answer = (request, response) => {
      request.socket.once('close', () => resolve())
      response.write('waiting')
    }
    const client = new RawClient(stack.port)
    client.write(`GET / HTTP/1.1\r\nHost: ${APP_HOST}\r\n\r\n`)
    await client.until(/waiting/)
    client.close()
    await left
  })

  it('cuts the visitor off when the app dies half-way', async () => {
    for (const headers of [{ 'content-length': '100' }, {}]) {
      answer = (request, response) => {
        response.writeHead(200, headers)
        response.write('half')
        setImmediate(() => request.socket.resetAndDestroy())
      }
      const response = await get(stack)
      await assert.rejects(text(response), { code: 'ECONNRESET' })
    }
  })

  it('does not let a slow visitor fill the memory, and loses nothing', async () => {
    const size = 64 * 1024 * 1024
    let written = 0
    const block = Buffer.alloc(65_536, 'x')
    answer = (_, response) => {
      response.writeHead(200, { 'content-length': String(size) })
      const more = (): void => {
        while (written < size) {
          written += block.length
          if (!response.write(block)) return void response.once('drain', more)
        }
        response.end()
      }
      more()
    }
    const response = await get(stack)
    response.pause()
    await once(response.socket, 'readable').catch(() => {})
    // Until nothing flows any more without the visitor.
    for (let quiet = 0, last = -1; quiet < 20; quiet = written === last ? quiet + 1 : 0) {
      last = written
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    assert.ok(written < size / 2, `the app could write ${written} bytes while nobody read`)
    let received = 0
    for await (const chunk of response) received += (chunk as Buffer).length
    assert.equal(received, size)
  })

  it('answers pipelined requests in turn, one at a time', async () => {
    let running = 0
    let most = 0
    answer = (request, response) => {
      most = Math.max(most, ++running)
      setImmediate(() => {
        running--
        response.end(`[${request.url}]`)
      })
    }
    const requests = Array.from({ length: 20 }, (_, index) => `GET /${index} HTTP/1.1\r\nHost: ${APP_HOST}\r\n\r\n`)
    const client = new RawClient(stack.port)
    client.write(requests.join(''))
    const all = await client.until(/\[\/19\]/)
    client.close()
    assert.deepEqual(
      [...all.matchAll(/\[\/(\d+)\]/g)].map(([, number]) => Number(number)),
      Array.from({ length: 20 }, (_, index) => index),
    )
    assert.equal(most, 1)
  })

  it('ends a connection that pipelines without limit', async () => {
    answer = (_, response) => response.end('x')
    const client = new RawClient(stack.port)
    client.write(`GET / HTTP/1.1\r\nHost: ${APP_HOST}\r\n\r\n`.repeat(2000))
    await client.untilOver()
    const served = client.text.split('HTTP/1.1 200').length - 1
    assert.ok(served < 200, `served ${served}`)
  })

  it('serves a request that asks for another upgrade as an ordinary one (attack 31)', async () => {
    let seen: string[] = []
    answer = (request, response) => {
      seen = request.rawHeaders
      void text(request).then((body) => response.end(`plain ${body}`))
    }
    for (const upgrade of ['h2c', 'websocket', 'evil']) {
      const all = await sendRaw(
        stack.port,
        `POST / HTTP/1.1\r\nHost: ${APP_HOST}\r\nConnection: Upgrade, close\r\nUpgrade: ${upgrade}\r\nContent-Length: 2\r\n\r\nok`,
      )
      assert.match(all, /200 OK[^]*plain ok$/)
      assert.ok(!seen.some((header) => /upgrade/i.test(header)), seen.join())
    }
  })

  it('answers HTTP/1.0 visitors without chunks', async () => {
    answer = (_, response) => {
      response.write('a')
      response.end('b')
    }
    const all = await sendRaw(stack.port, `GET / HTTP/1.0\r\nHost: ${APP_HOST}\r\n\r\n`)
    assert.match(all, /\r\n\r\nab$/)
    assert.doesNotMatch(all, /transfer-encoding/i)
  })

  it('logs paths without queries, and no credentials (attack 44)', async () => {
    answer = (_, response) => response.end()
    const response = await get(stack, {
      path: '/path?token=query-secret',
      headers: { authorization: 'Bearer header-secret', cookie: 'session=cookie-secret' },
    })
    response.resume()
    await once(response, 'end')
    const lines = stack.log.join('')
    assert.match(lines, /"path":"\/path"/)
    assert.doesNotMatch(lines, /(?:query|header|cookie)-secret/)
  })
})

describe('forwarding to apps that lie', () => {
  /** Raw bytes that the app answers every request with. */
  let raw: (socket: Socket, head: string) => void = () => {}
  let connections = 0
  const open = new Set<Socket>()
  const closings = new EventEmitter()
  let stack: Stack
  before(async () => {
    const app = createNetServer((socket) => {
      connections++
      open.add(socket)
      socket.once('close', () => {
        open.delete(socket)
        closings.emit('close')
      })
      socket.on('error', () => {})
      socket.on('data', (chunk) => raw(socket, chunk.toString('latin1')))
    })
    stack = await startStack({ app, config: 'timeouts: { app_answer_seconds: 1, app_stall_seconds: 1 }' })
  })
  after(() => stack.close())

  const ask = (path = '/'): Promise<string> =>
    sendRaw(stack.port, `GET ${path} HTTP/1.1\r\nHost: ${APP_HOST}\r\nConnection: close\r\n\r\n`)

  const lies: Record<string, string> = {
    garbage: 'SSH-2.0-OpenSSH\r\n\r\n',
    'two lengths': 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab',
    'length and chunked': 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'an over-long header': `HTTP/1.1 200 OK\r\nX-A: ${'x'.repeat(100_000)}\r\n\r\n`,
    '101 to a plain request': 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n',
    'two lengths, a space before the colon of one':
      'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length : 2\r\n\r\nab',
  }
  for (const [what, bytes] of Object.entries(lies)) {
    it(`attack 16: answers 502 to ${what}, and does not reuse the stream`, async () => {
      raw = (socket) => socket.write(bytes, 'latin1')
      assert.match(
        await ask(),
        /^HTTP\/1.1 502 Bad Gateway\r\n(?:.+\r\n)*Sallyport-Error-Code: ERR_APP_BAD_ANSWER\r\n/i,
      )
      raw = (socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine')
      const before = connections
      assert.match(await ask(), /fine$/)
      assert.equal(connections, before + 1)
    })
  }

  it('attack 16: cuts the visitor off at a bad chunk', async () => {
    raw = (socket) => socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokXX')
    const all = await ask()
    assert.match(all, /ok/)
    assert.doesNotMatch(all, /0\r\n\r\n$/)
  })

  it('never reuses a stream with bytes after its response', async () => {
    raw = (socket, head) => {
      socket.write(
        `HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes${head.includes('/poison') ? 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison' : ''}`,
      )
    }
    assert.match(await ask('/poison'), /yes$/)
    assert.match(await ask('/next'), /yes$/)
  })

  it('answers 504 for an app that accepts and never answers', async () => {
    raw = () => {}
    assert.match(await ask(), /^HTTP\/1.1 504 /)
  })

  it('retries once, on a fresh stream, when a kept-alive one turns out to be stale', async () => {
    raw = (socket, head) => {
      if (head.includes('/first')) return void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
      if (head.includes('/second') && socket.bytesRead > head.length) return void socket.destroy() // stale
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfresh')
    }
    assert.match(await ask('/first'), /ok$/)
    assert.match(await ask('/second'), /fresh$/)
  })

  it('does not retry a POST, and never sends it on a kept-alive stream', async () => {
    const heads: string[] = []
    raw = (socket, head) => {
      heads.push(head.split(' ')[0] ?? '')
      if (head.startsWith('GET')) return void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
      socket.destroy()
    }
    await ask('/warm')
    const before = connections
    const all = await sendRaw(
      stack.port,
      `POST / HTTP/1.1\r\nHost: ${APP_HOST}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi`,
    )
    assert.match(all, /^HTTP\/1.1 502 /)
    assert.deepEqual(heads, ['GET', 'POST'])
    assert.equal(connections, before + 1)
  })

  it('leaves few connections to the app after many POSTs', { timeout: 20_000 }, async () => {
    raw = (socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    for (let i = 0; i < 20; i++) {
      const all = await sendRaw(
        stack.port,
        `POST / HTTP/1.1\r\nHost: ${APP_HOST}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi`,
      )
      assert.match(all, /ok$/)
    }
    while (open.size > 8) await within(`one of ${open.size} connections ends`, once(closings, 'close'))
    const before = connections
    assert.match(await ask('/'), /ok$/)
    assert.equal(connections, before) // one of the few was kept for it
    for (const socket of open) socket.destroy() // the next test begins with none
  })

  it('does not pool a stream that authenticated its connection', async () => {
    raw = (socket) => socket.write('HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: NTLM\r\nContent-Length: 0\r\n\r\n')
    assert.match(await ask(), / 401 /)
    const before = connections
    assert.match(await ask(), / 401 /)
    assert.equal(connections, before + 1)
  })

  it('takes answers that end with the connection', async () => {
    raw = (socket) => socket.end('HTTP/1.0 200 OK\r\nX-Old: yes\r\n\r\nuntil the end')
    assert.match(await ask(), /X-Old: yes[^]*until the end/)
  })

  it('ends a stalled response', async () => {
    raw = (socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf')
    const all = await ask()
    assert.match(all, /half$/)
  })
})

function* pieces(bytes: Buffer, size: number): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

function hash(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

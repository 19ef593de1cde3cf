// A real HAProxy in front of the relay with `proto h2`, for visitors of HTTP/1.1 and HTTP/2. To the relay it is one
// visitor of HTTP/2 that sends the requests of many, with END_STREAM in a frame of its own, and only `host` for those
// of HTTP/1.1. SALLYPORT_EARLY_ANSWERS sets how many uploads each line is; `npm run test:long` makes it 200. Skipped
// with the reason if it is not installed.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, request as http1Request } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import type { ClientHttp2Session, IncomingHttpHeaders } from 'node:http2'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer, text } from 'node:stream/consumers'
import { after, before, describe, it } from 'node:test'

import { NO_HAPROXY, startHaproxy } from '../support/programs/haproxy.ts'
import type { Haproxy } from '../support/programs/haproxy.ts'
import { APP_HOST, startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'

const UPLOADS = Number(process.env.SALLYPORT_EARLY_ANSWERS ?? 4)
const UPLOAD_BYTES = 20 * 1024 * 1024
const AT_ONCE = 80
const VERSIONS = ['HTTP/1.1', 'HTTP/2'] as const
const EDGES = `
- { id: edg_app, hosts: [${APP_HOST}] }
- id: edg_inside
  hosts: [inside.localhost]
  backend: { labels: { edge: edg_app } }
  policy: { on_http_request: [{ actions: [{ type: restrict-ips, config: { allow: [10.0.0.0/8] } }] }] }
- id: edg_auth
  hosts: [auth.localhost]
  policy: { on_http_request: [{ actions: [{ type: basic-auth, config: { credentials: ["ada:correct horse"] } }] }] }
`

interface Asked {
  method?: string
  host?: string
  path?: string
  headers?: Record<string, string>
  body?: Buffer
  /** The visitor's address. The relay trusts HAProxy's own. */
  from?: string
}

interface Answer {
  status: number
  headers: IncomingHttpHeaders
  body: Buffer
}

describe('interop with HAProxy by proto h2', { skip: NO_HAPROXY, timeout: 60_000 * Math.max(1, UPLOADS / 20) }, () => {
  const app = createServer((request, response) => {
    if (request.url === '/early') {
      response.writeHead(405, { connection: 'close' }).end('no')
      return
    }
    if (request.url === '/address') return void response.end(request.headers['x-forwarded-for'])
    if (request.method === 'GET' || request.method === 'HEAD') {
      const body = `hello ${request.url}`
      return void response.writeHead(200, { 'content-length': body.length }).end(body)
    }
    request.pipe(response)
  })
  let folder: string
  let stack: Stack
  let haproxy: Haproxy<'h1' | 'h2'>

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sallyport-haproxy-'))
    await writeFile(join(folder, 'upload'), Buffer.alloc(UPLOAD_BYTES))
    stack = await startStack({ app, edges: EDGES, listen: 'http2: all', config: 'trusted_proxies: [127.0.0.1]' })
    const back = ' proto h2'
    haproxy = await startHaproxy(stack.port, { h1: { back }, h2: { front: back, back } }, ['option forwardfor'])
  })
  after(async () => {
    await stack.close() // waits for its exchanges
    await haproxy.close()
    await rm(folder, { recursive: true, force: true })
  })

  for (const version of VERSIONS) {
    const visit = (from = '127.0.0.2'): Visitor =>
      version === 'HTTP/2' ? http2Visitor(haproxy.ports.h2, from) : http1Visitor(haproxy.ports.h1, from)

    const askOnce = async (asked: Asked): Promise<Answer> => {
      const visitor = visit(asked.from)
      try {
        return await visitor.ask(asked)
      } finally {
        visitor.close()
      }
    }

    it(`real-apps 3: GET, HEAD and requests with bodies, for a visitor of ${version}`, async () => {
      const { status, body } = await askOnce({ path: '/a?b' })
      assert.deepEqual([status, body.toString()], [200, 'hello /a?b'])
      const head = await askOnce({ method: 'HEAD', path: '/a?b' })
      assert.deepEqual([head.status, head.headers['content-length'], head.body.length], [200, '10', 0])
      const sent = Buffer.alloc(300_000, 'bytes of a body ')
      for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
        for (const headers of [{ 'content-length': String(sent.length) }, undefined]) {
          const answer = await askOnce({ method, body: sent, ...(headers && { headers }) })
          assert.equal(answer.status, 200, method)
          assert.ok(answer.body.equals(sent), `${method} with ${JSON.stringify(headers)}: ${answer.body.length} bytes`)
        }
      }
    })

    it(`real-apps 3, 4: ${AT_ONCE} at once, for visitors of ${version}`, async () => {
      const visitor = visit()
      const answers = await Promise.all(
        Array.from({ length: AT_ONCE }, (_, i) =>
          i % 4 === 3
            ? visitor.ask({ method: i % 8 === 3 ? 'GET' : 'HEAD', path: `/${i}` })
            : visitor.ask({ method: 'POST', path: `/${i}`, body: Buffer.alloc(i * 1000, 'q') }),
        ),
      )
      visitor.close()
      const got = answers.map(({ status, body }) => `${status} ${body.length}`)
      const wanted = answers.map((_, i) => (i % 4 === 3 ? (i % 8 === 3 ? `hello /${i}`.length : 0) : i * 1000))
      assert.deepEqual(
        got,
        wanted.map((length) => `200 ${length}`),
      )
    })

    it(`real-apps 1: a visitor of ${version} keeps their address, whatever they send`, async () => {
      const headers = { 'x-forwarded-for': '10.1.1.1' }
      const { body } = await askOnce({ path: '/address', headers, from: '127.0.0.2' })
      assert.equal(body.toString(), '127.0.0.2, 127.0.0.1')
      assert.equal((await askOnce({ host: 'inside.localhost', headers, from: '127.0.0.3' })).status, 403)
    })

    for (const [by, host, wanted] of [
      ['the app', APP_HOST, 405],
      ['the relay', 'auth.localhost', 401],
    ] as const) {
      it(`real-apps 2: an early answer of ${by} reaches curl, which is still uploading over ${version}`, async (test) => {
        const features = await run('curl', ['--version'])
        if (!features.includes('HTTP2')) return test.skip('no curl with HTTP/2 on this machine')
        const [how, port] =
          version === 'HTTP/2' ? (['--http2-prior-knowledge', 'h2'] as const) : (['--http1.1', 'h1'] as const)
        const what = ['-s', how, '-H', 'Expect:', '-H', `Host: ${host}`, '-T', join(folder, 'upload')]
        const to = ['-o', '/dev/null', '-w', '%{http_code}', `http://127.0.0.1:${haproxy.ports[port]}/early`]
        const got = new Map<string, number>()
        for (let i = 0; i < UPLOADS; i++) {
          // After the whole answer HAProxy 2.6 sometimes resets its own visitor's stream, with any server behind it.
          const status = await run('curl', [...what, ...to])
          got.set(status, (got.get(status) ?? 0) + 1)
        }
        assert.deepEqual([...got], [[String(wanted), UPLOADS]])
      })
    }
  }

  it('real-apps 3: a GET whose END_STREAM comes a moment after the answer gets all of it, and no reset', async () => {
    const session = connectHttp2(`http://127.0.0.1:${haproxy.ports.h2}`)
    for (let i = 0; i < 20; i++) {
      const stream = session.request({ ':authority': APP_HOST, ':path': `/${i}` }, { endStream: false })
      const [headers] = (await once(stream, 'response')) as [IncomingHttpHeaders & { ':status': number }] // as documented
      stream.end()
      assert.equal(headers[':status'], 200)
      assert.equal(await text(stream), `hello /${i}`)
      assert.equal(stream.rstCode, 0)
    }
    session.close()
    await once(session, 'close')
  })
})

interface Visitor {
  ask(asked: Asked): Promise<Answer>
  close(): void
}

function http1Visitor(port: number, localAddress: string): Visitor {
  return {
    async ask({ method = 'GET', host = APP_HOST, path = '/', headers, body }) {
      const to = { port, host: '127.0.0.1', localAddress, agent: false }
      const request = http1Request({ ...to, method, path, headers: { ...headers, host } })
      if (body && !headers) request.setHeader('transfer-encoding', 'chunked')
      request.end(body)
      const [response] = (await once(request, 'response')) as [IncomingMessage] // as documented
      return { status: response.statusCode ?? 0, headers: response.headers, body: await buffer(response) }
    },
    close() {
      // Each request has had a separate connection.
    },
  }
}

function http2Visitor(port: number, localAddress: string): Visitor {
  const createConnection = (): ReturnType<typeof connect> => connect({ port, host: '127.0.0.1', localAddress })
  const session: ClientHttp2Session = connectHttp2(`http://127.0.0.1:${port}`, { createConnection })
  return {
    async ask({ method = 'GET', host = APP_HOST, path = '/', headers, body }) {
      const head = { ...headers, ':method': method, ':authority': host, ':path': path }
      const stream = session.request(head, { endStream: body === undefined })
      if (body) stream.end(body)
      const [answer] = (await once(stream, 'response')) as [IncomingHttpHeaders & { ':status': number }] // as documented
      return { status: answer[':status'], headers: answer, body: await buffer(stream) }
    },
    close: () => session.close(),
  }
}

/** Its output, however it ends. */
function run(command: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve) => execFile(command, args, (_, stdout) => resolve(stdout)))
}

// verify-webhook, whole: signed deliveries reach the app byte for byte, and unsigned ones do not,
// over HTTP/1.1, HTTP/2 and an upgrade. Real relay, agent and sockets; the app says what has come to it.

import assert from 'node:assert/strict'
import { createHmac, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, request as httpRequest } from 'node:http'
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { connect, createServer as createHttp2Server } from 'node:http2'
import { buffer } from 'node:stream/consumers'
import { after, before, describe, it } from 'node:test'

import { RawClient } from '../support/raw-client.ts'
import { acceptWebSocket } from '../support/raw-web-socket.ts'
import { startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'
import { visit } from '../support/three-ways.ts'
import { until } from '../support/until.ts'

const SECRET = 'a secret of these tests'
const policyOf = (provider: string, more = ''): string =>
  `{ on_http_request: [{ actions: [{ type: verify-webhook, config: { provider: ${provider}, secret: "${SECRET}"${more} } }] }] }`
const EDGES = `
- { id: edg_github, hosts: [github.localhost], policy: ${policyOf('github')} }
- { id: edg_slack, hosts: [slack.localhost], policy: ${policyOf('slack')} }
- { id: edg_zoom, hosts: [zoom.localhost], policy: ${policyOf('zoom')} }
- { id: edg_square, hosts: [square.localhost], policy: ${policyOf('square')} }
- { id: edg_lenient, hosts: [lenient.localhost], policy: ${policyOf('github', ', enforce: false')} }
- id: edg_either
  hosts: [either.localhost]
  backend: { labels: { edge: edg_app } }
  policy:
    on_http_request:
      - actions:
          - type: any-of
            config:
              actions:
                - { type: verify-webhook, config: { provider: github, secret: "${SECRET}" } }
                - { type: verify-webhook, config: { provider: shopify, secret: "${SECRET}" } }
                - { type: restrict-ips, config: { allow: [127.0.0.0/8] } }
- id: edg_unsigned
  hosts: [unsigned.localhost]
  backend: { labels: { edge: edg_app } }
  policy:
    on_http_request:
      - actions:
          - { type: verify-webhook, config: { provider: github, secret: "${SECRET}", enforce: false } }
          - type: rate-limit
            config: { name: n, capacity: 1, rate: 24h, bucket_key: ["actions.ngrok.verify_webhook.verified ? rand.double() : 0.0"] }`.replaceAll(
  /id: (edg_\w+),/g,
  'id: $1, backend: { labels: { edge: edg_app } },',
)

interface Sent {
  host: string
  headers?: Record<string, string>
  body?: Buffer
  path?: string
}
interface Answer {
  status: number
  headers: IncomingHttpHeaders
  body: string
}
type Send = (port: number, sent: Sent) => Promise<Answer>

const hmac = (...parts: (string | Buffer)[]) =>
  parts.reduce((sum, part) => sum.update(part), createHmac('sha256', SECRET))
const github = (body: Buffer) => ({ 'x-hub-signature-256': `sha256=${hmac(body).digest('hex')}` })
const stamped = (prefix: string, time: string, body: Buffer) => ({
  [prefix === 'x-slack' ? 'x-slack-request-timestamp' : 'x-zm-request-timestamp']: time,
  [`${prefix}-signature`]: `v0=${hmac(`v0:${time}:`, body).digest('hex')}`,
})
const seconds = (fromNow: number): string => String(Math.round(Date.now() / 1000) + fromNow)

const overHttp1 =
  (framing: 'length' | 'chunked'): Send =>
  async (port, { host, headers = {}, body, path = '/' }) => {
    const request = httpRequest({
      port,
      host: '127.0.0.1',
      path,
      method: 'POST',
      agent: false,
      headers: { host, ...headers, ...(framing === 'length' && body && { 'content-length': body.length }) },
    })
    request.on('error', () => {}) // an early answer ends the upload
    const answered = once(request, 'response') as Promise<[IncomingMessage]> // as documented
    if (framing === 'chunked') request.flushHeaders()
    request.end(body)
    const [response] = await answered
    return { status: response.statusCode ?? 0, headers: response.headers, body: (await buffer(response)).toString() }
  }

const overHttp2: Send = async (port, { host, headers = {}, body, path = '/' }) => {
  const session = connect(`http://${host}:${port}`, {
    lookup: (_, __, found) => found(null, [{ address: '127.0.0.1', family: 4 }]),
  })
  session.on('error', () => {})
  try {
    const stream = session.request({ ':method': 'POST', ':path': path, ':authority': `${host}:${port}`, ...headers })
    stream.on('error', () => {}) // as above
    const answered = once(stream, 'response') as Promise<[IncomingHttpHeaders & { ':status': number }]> // as documented
    stream.end(body)
    const [head] = await answered
    return { status: head[':status'], headers: head, body: (await buffer(stream)).toString() }
  } finally {
    session.close()
  }
}

const WAYS: [string, Send][] = [
  ['HTTP/1.1 with a length', overHttp1('length')],
  ['HTTP/1.1 in chunks', overHttp1('chunked')],
  ['HTTP/2', overHttp2],
]

describe('webhooks at the relay (traffic policy, verify-webhook)', () => {
  let stack: Stack
  let got: { headers: IncomingHttpHeaders; body: Buffer }[] = []
  let upgrades = 0
  before(async () => {
    const app = createServer((request, response) => {
      void buffer(request).then((body) => {
        got.push({ headers: request.headers, body })
        response.end('taken')
      })
    })
    app.on('upgrade', (request, socket) => {
      upgrades++
      acceptWebSocket(request, socket)
    })
    stack = await startStack({ app, edges: EDGES, listen: 'http2: all', labels: ['edge=edg_app'] })
  })
  after(() => stack.close())

  /** The requests that the app has got since the last call. */
  const taken = () => {
    const all = got
    got = []
    return all
  }

  for (const [way, send] of WAYS) {
    it(`passes signed deliveries, byte for byte, over ${way}`, async () => {
      for (const body of [Buffer.alloc(0), Buffer.from('{"action":"opened"}'), randomBytes(900_000)]) {
        const { status } = await send(stack.port, { host: 'github.localhost', headers: github(body), body })
        assert.equal(status, 200)
        const [delivery, ...others] = taken()
        assert.deepEqual(delivery?.body.equals(body), true)
        assert.equal(others.length, 0)
      }
      const body = Buffer.from('{}')
      const slack = { host: 'slack.localhost', headers: stamped('x-slack', seconds(0), body), body }
      assert.equal((await send(stack.port, slack)).status, 200)
      const url = `http://square.localhost:${stack.port}/hook?a=1`
      const origin = url.replace(`:${stack.port}`, '') // of the edge: public_url has no port here
      const square = { 'x-square-hmacsha256-signature': hmac(origin, body).digest('base64') }
      const answer = await send(stack.port, { host: 'square.localhost', headers: square, body, path: '/hook?a=1' })
      assert.equal(answer.status, 200)
      assert.equal(taken().length, 2)
    })

    it(`lets nothing else through, over ${way}`, async () => {
      const body = Buffer.from('{"action":"opened"}')
      const signature = github(body)['x-hub-signature-256']
      const old = seconds(-301)
      for (const [what, sent, expected] of [
        ['no signature', { host: 'github.localhost' }, 403],
        ['another body', { host: 'github.localhost', headers: github(Buffer.from('{}')) }, 403],
        [
          'a signature that is too short',
          { host: 'github.localhost', headers: { 'x-hub-signature-256': signature.slice(0, -2) } },
          403,
        ],
        [
          'a signature that is too long',
          { host: 'github.localhost', headers: { 'x-hub-signature-256': `${signature}00` } },
          403,
        ],
        [
          'a time stamp of tomorrow',
          { host: 'slack.localhost', headers: stamped('x-slack', seconds(86_400), body) },
          403,
        ],
        ['a replay', { host: 'slack.localhost', headers: stamped('x-slack', old, body) }, 403],
        [
          'a replay with a new time',
          {
            host: 'slack.localhost',
            headers: { ...stamped('x-slack', old, body), 'x-slack-request-timestamp': seconds(0) },
          },
          403,
        ],
        [
          '10 MiB',
          { host: 'github.localhost', headers: github(Buffer.alloc(10)), body: Buffer.alloc(10 * 1024 * 1024) },
          413,
        ],
      ] as [string, Sent, number][]) {
        const answer = await send(stack.port, { body, ...sent })
        assert.equal(answer.status, expected, what)
        const code = expected === 413 ? 'ERR_BODY_TOO_LARGE' : 'ERR_WEBHOOK_REFUSED'
        assert.equal(answer.headers['sallyport-error-code'], code, what)
      }
      assert.deepEqual(taken(), [])
    })

    it(`answers zoom’s challenge instead of the app, if it is signed, over ${way}`, async () => {
      const body = Buffer.from('{"event":"endpoint.url_validation","payload":{"plainToken":"qgg8vlvZRS6UYooatFL8Aw"}}')
      const headers = stamped('x-zm', seconds(0), body)
      const answer = await send(stack.port, { host: 'zoom.localhost', headers, body })
      assert.equal(answer.status, 200)
      assert.deepEqual(JSON.parse(answer.body), {
        plainToken: 'qgg8vlvZRS6UYooatFL8Aw',
        encryptedToken: hmac('qgg8vlvZRS6UYooatFL8Aw').digest('hex'),
      })
      assert.equal((await send(stack.port, { host: 'zoom.localhost', body })).status, 403)
      assert.deepEqual(taken(), [])
    })

    it(`only says what it would refuse if it is not enforced, over ${way}`, async () => {
      const body = randomBytes(100_000)
      const answer = await send(stack.port, { host: 'lenient.localhost', headers: github(Buffer.alloc(0)), body })
      assert.equal(answer.status, 200)
      assert.ok(taken()[0]?.body.equals(body))
      await until('the log tells of it', () =>
        stack.log.some(
          (line) => line.includes('passed, because enforce is false') && line.includes('the signature is wrong'),
        ),
      )
    })
  }

  it('forwards a body whole or not at all, even if another action lets it pass', async () => {
    const shopify = (body: Buffer) => ({ 'x-shopify-hmac-sha256': hmac(body).digest('base64') })
    const large = Buffer.alloc(1_500_000, 1)
    for (const [body, headers, status] of [
      [randomBytes(900_000), { ...github(Buffer.alloc(1)), shopify: '' }, 200],
      [large, {}, 200], // a request without a signature is not read
      [large, github(large), 413], // in chunks: its size is unknown before
    ] as const) {
      const answer = await overHttp1('chunked')(stack.port, { host: 'either.localhost', headers, body })
      assert.equal(answer.status, status)
      const deliveries = taken()
      assert.equal(deliveries.length, status === 200 ? 1 : 0)
      if (status === 200) assert.ok(deliveries[0]?.body.equals(body))
    }
    const body = randomBytes(10_000)
    const second = await overHttp2(stack.port, {
      host: 'either.localhost',
      headers: { ...github(Buffer.alloc(1)), ...shopify(body) },
      body,
    })
    assert.equal(second.status, 200)
    assert.ok(taken()[0]?.body.equals(body))
    // Announced: one action refuses it unread, and the other passes it whole.
    const announced = await overHttp1('length')(stack.port, {
      host: 'either.localhost',
      headers: github(large),
      body: large,
    })
    assert.equal(announced.status, 200)
    assert.ok(taken()[0]?.body.equals(large))
  })

  it('tells later actions its result', async () => {
    const body = Buffer.from('{}')
    const statusOf = async (headers: Record<string, string>): Promise<number> =>
      (await overHttp2(stack.port, { host: 'unsigned.localhost', headers, body })).status
    const statuses = []
    for (let i = 0; i < 2; i++) statuses.push(await statusOf(github(body)), await statusOf({}))
    assert.deepEqual(statuses, [200, 200, 200, 429], 'one without a signature, and any number with one')
    taken()
  })

  it('sends 100 Continue once, and does not have the app asked again', async () => {
    const body = Buffer.from('{"action":"opened"}')
    const visitor = new RawClient(stack.port)
    visitor.write(
      `POST / HTTP/1.1\r\nHost: github.localhost\r\nExpect: 100-continue\r\nContent-Length: ${body.length}\r\nX-Hub-Signature-256: ${github(body)['x-hub-signature-256']}\r\n\r\n`,
    )
    await visitor.until(/^HTTP\/1\.1 100 /)
    visitor.write(body)
    const text = await visitor.until(/taken/)
    assert.equal(text.match(/HTTP\/1\.1 /g)?.length, 2)
    assert.equal(taken()[0]?.headers.expect, undefined)
    // The connection continues: the whole request has been read.
    visitor.write('GET / HTTP/1.1\r\nHost: github.localhost\r\n\r\n')
    await visitor.until(/HTTP\/1\.1 403 /)
    visitor.close()
    // A body that is too large is refused before it is sent.
    const large = new RawClient(stack.port)
    large.write(
      `POST / HTTP/1.1\r\nHost: github.localhost\r\nExpect: 100-continue\r\nContent-Length: 10485760\r\nX-Hub-Signature-256: ${github(body)['x-hub-signature-256']}\r\n\r\n`,
    )
    assert.match(await large.until(/\r\n\r\n/), /^HTTP\/1\.1 413 /)
    large.close()
    assert.deepEqual(taken(), [])
  })

  it('applies to upgrades, which have no body', async () => {
    const open = (headers: Record<string, string>): Promise<number> =>
      visit('an upgrade', stack.port, { host: 'github.localhost', headers: Object.entries(headers) })
    assert.equal(await open({}), 403)
    assert.equal(await open(github(Buffer.from('x'))), 403)
    assert.equal(upgrades, 0)
    assert.equal(await open(github(Buffer.alloc(0))), 101)
    assert.equal(upgrades, 1)
  })
})

describe('webhooks for an app that speaks HTTP/2 (traffic policy, verify-webhook)', () => {
  it('arrive as they were sent, over either version', async () => {
    let received: Buffer | undefined
    const app = createHttp2Server()
    app.on('stream', (stream) => {
      void buffer(stream).then((body) => {
        received = body
        stream.respond({ ':status': 200 })
        stream.end('taken')
      })
    })
    const stack = await startStack({ app, edges: EDGES, listen: 'http2: all', upstreamProtocol: 'http2' })
    try {
      for (const [way, send] of WAYS) {
        const body = randomBytes(900_000)
        const { status } = await send(stack.port, { host: 'github.localhost', headers: github(body), body })
        assert.equal(status, 200, way)
        assert.ok(received?.equals(body), way)
      }
    } finally {
      await stack.close()
    }
  })
})

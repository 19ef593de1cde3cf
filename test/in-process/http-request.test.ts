// `http-request`: the requests that a policy may make, and those it may not, in any spelling. Asserted at the visitor and at
// the app, in each of the ways that a visitor can come. Real relay, agents and sockets.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage, RequestListener } from 'node:http'
import { createServer as createHttp2Server } from 'node:http2'
import { createServer as createTcpServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { after, before, beforeEach, describe, it } from 'node:test'
import { gzipSync } from 'node:zlib'

import { startAgent } from '@sallyport/agent'
import type { Agent } from '@sallyport/agent'
import { createLog, loadLanguage, parseConfig } from '@sallyport/server'

import { RawClient } from '../support/raw-client.ts'
import { webSocketRequest } from '../support/raw-web-socket.ts'
import { httpApp, startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'
import { WAYS } from '../support/three-ways.ts'
import { valuesOf, wholeAnswer } from '../support/whole-answer.ts'

const INTERNAL = 'https://auth.internal'
const set = (headers: object): object => ({ type: 'set-headers', config: { headers } })
const ask = (config: object): object => ({ type: 'http-request', config: { url: `${INTERNAL}/check`, ...config } })
const LARGE = Buffer.alloc(3_000_000, 'L')
const deny = { type: 'deny', config: { status_code: 418 } }
const edge = (host: string, rules: object[], label = 'edg_app'): string =>
  JSON.stringify({
    id: `edg_${host.replace('.', '_')}`,
    hosts: [host],
    backend: { labels: { edge: label } },
    policy: { on_http_request: rules },
  })
const one = (host: string, ...actions: object[]): string => edge(host, [{ actions }])
const TOLD = set({
  'X-Status': '${actions.ngrok.http_request.res.status_code} of ${size(actions.ngrok.http_request.attempts)}',
  'X-Body': '${actions.ngrok.http_request.res.body}',
})
const FAILED = set({
  'X-Error': '${actions.ngrok.http_request.error.code} ${actions.ngrok.http_request.error.message}',
})
const failing = (host: string, config: object): string => one(host, ask({ on_error: 'continue', ...config }), FAILED)

/** Asks when the app has answered, and has its own answer if the other one is 403. */
const answering = (
  host: string,
  backend: object = { labels: { edge: 'edg_app' } },
  asks = ask({ url: `${INTERNAL}/status?s=\${getQueryParam('s').join('')}` }),
): string =>
  JSON.stringify({
    id: `edg_${host.replace('.', '_')}`,
    hosts: [host],
    backend,
    policy: {
      on_http_response: [
        { actions: [asks, set({ 'X-Checked': '${res.status_code} ${actions.ngrok.http_request.res.body}' })] },
        {
          expressions: ['actions.ngrok.http_request.res.status_code == 403'],
          actions: [{ type: 'custom-response', config: { status_code: 451, body: 'not for you' } }],
        },
      ],
    },
  })

const EDGES = [
  one(
    'asks.localhost',
    ask({
      url: `${INTERNAL}/check?a=1`,
      method: 'POST',
      query_params: [{ key: 'q ${1 + 1}', value: '${req.host}&x=y' }],
      headers: { 'X-Asks': '${req.method}', Authorization: 'Bearer x' },
      body: '{ "path": ${json.encode(req.url.path)} }',
    }),
    TOLD,
  ),
  edge('decides.localhost', [
    { actions: [ask({ url: `${INTERNAL}/status?s=\${getQueryParam('s')[0]}` })] },
    { expressions: ['actions.sallyport.http_request.res.status_code != 200'], actions: [deny] },
  ]),
  one('follows.localhost', ask({ url: "${getReqHeader('x-url')[0]}", max_redirects: 2, on_error: 'continue' }), set({ 'X-Result': "${has(actions.ngrok.http_request.error) ? actions.ngrok.http_request.error.code : string(actions.ngrok.http_request.res.status_code)}" })),
  one('stays.localhost', ask({ url: `${INTERNAL}/to?url=/check` }), TOLD),
  one('retries.localhost', ask({ url: `${INTERNAL}/flaky`, retry_condition: 'attempts < 3 && last_attempt.res.status_code >= 500' }), TOLD),
  one('tires.localhost', ask({ url: `${INTERNAL}/status?s=500`, retry_condition: 'true' }), TOLD),
  one('halts.localhost', ask({ url: 'https://nobody.internal/' })),
  failing('nobody.localhost', { url: 'https://nobody.internal/' }),
  failing('down.localhost', { url: 'https://away.internal/' }),
  failing('slow.localhost', { url: `${INTERNAL}/slow`, timeout: '1s', retry_condition: 'true' }),
  failing('big.localhost', { url: `${INTERNAL}/big` }),
  failing('bomb.localhost', { url: `${INTERNAL}/bomb` }),
  failing('ours.localhost', { url: `${INTERNAL}/.sallyport/login` }),
  one('circle.localhost', ask({ url: 'https://circle.internal/' }), TOLD),
  one('denied.localhost', ask({ url: 'https://closed.internal/' }), TOLD),
  one('gzip.localhost', ask({ url: `${INTERNAL}/gzip` }), set({ 'X-Size': '${size(actions.ngrok.http_request.res.body)}' })),
  one('ends.localhost', ask({ url: 'https://ends.internal/', on_error: 'continue' }), FAILED),
  one('auth.internal', set({ 'X-Inner': '${endpoint.url} ${conn.client_ip}' })),
  one('away.internal', set({ 'X-Never': 'seen' })).replace('"edg_app"', '"none"'),
  one('closed.internal', deny),
  answering('checks.localhost'),
  answering('checks2.localhost', { labels: { edge: 'edg_http2' } }),
  answering('fixed.localhost', { fixed_response: { status: 200, body: 'fixed' } }),
  answering('stops.localhost', undefined, ask({ url: 'https://nobody.internal/' })),
  one('ends.internal', { type: 'close-connection' }),
  one('circle.internal', ask({ url: 'https://circle.internal/' })),
] // prettier-ignore

describe('http-request (traffic policy, 14.18)', { timeout: 60_000 }, () => {
  let stack: Stack
  /** The requests that the app has got. */
  const got: { host: string; line: string; headers: IncomingMessage['headers']; body: string }[] = []
  let flaky = 0
  /** A program outside the relay, to which nothing may lead. */
  let dialled = 0
  const outside = createTcpServer((socket) => {
    dialled++
    socket.destroy()
  })

  const http2App = createHttp2Server()
  let agent: Agent

  const serve: RequestListener = (request, response) => {
    void text(request).then((body) => {
      const url = new URL(`http://app${request.url}`)
      got.push({ host: String(request.headers.host), line: `${request.method} ${request.url}`, headers: request.headers, body })
      if (url.pathname === '/slow') return undefined
      if (url.pathname === '/big') return response.end(Buffer.alloc(300_000, 'x'))
      if (url.pathname === '/status') response.statusCode = Number(url.searchParams.get('s'))
      if (url.pathname === '/flaky') response.statusCode = ++flaky < 3 ? 503 : 200
      if (url.pathname === '/to') response.writeHead(302, { location: url.searchParams.get('url') ?? '', 'set-cookie': 'a=b' })
      if (url.pathname === '/large') return response.end(LARGE)
      const zeros = { '/gzip': 200_000, '/bomb': 10_000_000 }[url.pathname]
      if (zeros !== undefined) return response.setHeader('content-encoding', 'gzip').end(gzipSync(Buffer.alloc(zeros, 'z')))
      return response.end(`answer to ${request.method}`)
    })
  } // prettier-ignore

  before(async () => {
    await loadLanguage()
    outside.listen(0, '127.0.0.1')
    await once(outside, 'listening')
    const app = httpApp(serve)
    app.on('upgrade', (request: IncomingMessage, socket) => {
      got.push({
        host: String(request.headers.host),
        line: `UPGRADE ${request.url}`,
        headers: request.headers,
        body: '',
      })
      socket.on('error', () => {}) // the other side left
      if (request.url?.startsWith('/ws')) {
        const accept = createHash('sha1')
          .update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
          .digest('base64')
        socket.write(
          `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n\r\nfirst bytes`,
        )
        return
      }
      socket.end('HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n')
    })
    http2App.on('stream', (stream, headers) => {
      stream.respond({ ':status': 200 })
      stream.end(headers[':path']?.startsWith('/large') ? LARGE : 'answer to GET')
    })
    http2App.listen(0, '127.0.0.1')
    await once(http2App, 'listening')
    stack = await startStack({ app, edges: EDGES.map((each) => `- ${each}`).join('\n'), listen: 'http2: all' })
    const { token } = await stack.relay.authtokens.create({ acl: [] })
    const { port } = http2App.address() as AddressInfo // it listens on a port
    agent = startAgent({
      server: `http://127.0.0.1:${stack.port}`,
      authtoken: token,
      log: createLog({ level: 'silent' }),
      tunnels: [{ upstream: `http://127.0.0.1:${port}`, labels: ['edge=edg_http2'], upstreamProtocol: 'http2' }],
    })
    await once(agent, 'online')
  })
  after(async () => {
    agent.destroy()
    await stack.close()
    http2App.close()
    outside.close()
  })
  beforeEach(() => {
    got.length = 0
    flaky = 0
  })
  const code = (answer: { lines: [string, string][] }): string => valuesOf(answer, 'sallyport-error-code').join()

  for (const way of WAYS) {
    const visit = (name: string, path = '/', headers: [string, string][] = []): ReturnType<typeof wholeAnswer> =>
      wholeAnswer(way, stack.port, { host: `${name}.localhost`, path, headers })

    it(`asks an internal endpoint, and expressions see the answer, over ${way}`, async () => {
      await visit('asks', '/x', [['Cookie', 'secret=1'], ['X-Visitor', 'yes']]) // prettier-ignore
      const [asked, visited] = got
      assert.match(asked?.host ?? '', /^auth\.internal/)
      assert.equal(asked?.line, 'POST /check?a=1&q%202=asks.localhost%26x%3Dy')
      assert.equal(asked?.body, '{ "path": "/x" }')
      const headers = asked?.headers ?? {}
      assert.deepEqual([headers['x-asks'], headers['authorization'], headers['cookie'], headers['x-visitor']], ['GET', 'Bearer x', undefined, undefined]) // prettier-ignore
      assert.match(String(headers['user-agent']), /^sallyport-relay\//)
      assert.equal(headers['x-inner'], 'https://auth.internal 127.0.0.1')
      assert.equal(headers['x-forwarded-for'], '127.0.0.1')
      assert.equal(visited?.headers['x-status'], '200 of 1')
      assert.equal(visited?.headers['x-body'], 'answer to POST')
      assert.equal(visited?.headers['x-visitor'], 'yes')
      assert.equal(headers['sallyport-request-id'], visited?.headers['sallyport-request-id'], 'one id for both')
      assert.equal(got.length, 2)
    })

    it(`decides the answer for visitors, over ${way}`, async () => {
      assert.equal((await visit('decides', '/?s=403')).status, 418)
      assert.equal(got.length, 1, 'the app got nothing of the visitor')
      await visit('decides', '/?s=200')
      assert.equal(got.length, 3)
    })

    it(`dials nothing, by no spelling and no redirect, over ${way}`, async () => {
      const { port } = outside.address() as AddressInfo // it listens on a port
      const evil = `127.0.0.1:${port}`
      for (const url of [
        `http://${evil}/`,
        `http://${evil}/.internal`,
        `http://${evil}#.internal`,
        `http://auth.internal@${evil}/`,
        `http://auth.internal:80@${evil}/`,
        `http://${evil}\\.internal/`,
        `//${evil}/`,
        `http://[::ffff:127.0.0.1]:${port}/`,
        'http://auth.internal./check',
        'file:///etc/passwd',
        'http://localhost.internal%2f/',
        'http://auth%2einternal/check',
        `https://127.0.0.1.internal:${port}/`,
        `https://.internal/`,
        '',
      ]) {
        for (const asked of [url, `${INTERNAL}/to?url=${encodeURIComponent(url)}`]) {
          got.length = 0
          await visit('follows', '/', [['X-Url', asked]])
          const result = got.at(-1)?.headers['x-result']
          const isRedirect = asked !== url
          if (isRedirect && ['', 'http://auth%2einternal/check'].includes(url)) continue // these lead back, or nowhere
          assert.match(String(result), /^ERR_(?:ADDRESS_REFUSED|INTERNAL_ENDPOINT_OFFLINE)$/, asked)
          assert.equal(got.length, isRedirect ? 2 : 1, asked)
        }
      }
      assert.equal(dialled, 0)
    })

    it(`follows redirects to internal endpoints, up to a limit, over ${way}`, async () => {
      const to = (url: string): string => `${INTERNAL}/to?url=${encodeURIComponent(url)}`
      await visit('follows', '/', [['X-Url', to(to('/status?s=201'))]])
      assert.deepEqual([got.at(-1)?.headers['x-result'], got.length], ['201', 4])
      assert.equal(got[1]?.headers.cookie, undefined, 'no cookies are kept')
      await visit('follows', '/', [['X-Url', to(to(to('/status?s=201')))]])
      assert.equal(got.at(-1)?.headers['x-result'], '302')
      await visit('stays')
      assert.equal(got.at(-1)?.headers['x-status'], '302 of 1')
    })

    it(`tries again as the condition says, three times at most, over ${way}`, async () => {
      await visit('retries')
      assert.equal(got.at(-1)?.headers['x-status'], '200 of 3')
      await visit('tires')
      assert.equal(got.at(-1)?.headers['x-status'], '500 of 3')
      assert.equal(got.length, 8)
    })

    it(`fails for a reason that expressions see, or refuses the request, over ${way}`, async () => {
      const halted = await visit('halts')
      assert.deepEqual([halted.status, code(halted), got.length], [502, 'ERR_HTTP_REQUEST_FAILED', 0])
      for (const [name, expected] of Object.entries({
        nobody: /^ERR_INTERNAL_ENDPOINT_OFFLINE there is no endpoint https:\/\/nobody\.internal/,
        down: /^ERR_NO_TUNNEL_ONLINE/,
        big: /^ERR_APP_BAD_ANSWER the answer has more than 262144 bytes/,
        bomb: /^ERR_APP_BAD_ANSWER the answer cannot be decompressed, or has more/,
        ends: /^ERR_APP_BAD_ANSWER the answer broke off/,
      })) {
        await visit(name)
        assert.match(String(got.at(-1)?.headers['x-error']), expected, name)
      }
      await visit('denied')
      assert.equal(got.at(-1)?.headers['x-status'], '418 of 1', 'a refusal by the endpoint’s policy is an answer')
      await visit('gzip')
      assert.equal(got.at(-1)?.headers['x-size'], '200000')
    })

    it(`ends in circles, over ${way}`, async () => {
      const answer = await visit('circle')
      assert.deepEqual([answer.status, code(answer), got.length], [502, 'ERR_HTTP_REQUEST_FAILED', 0])
      assert.ok(
        stack.log.some((line) =>
          line.includes(
            '"detail":"http-request https://circle.internal/: ERR_TOO_MANY_FORWARDS: edg_circle_internal → edg_circle_internal"',
          ),
        ),
      )
    })
  }

  for (const way of WAYS) {
    const answered = way === 'an upgrade' ? 426 : 200
    const visit = (name: string, path = '/?s=200'): ReturnType<typeof wholeAnswer> =>
      wholeAnswer(way, stack.port, { host: `${name}.localhost`, path })

    it(`makes its request while the app’s answer waits, over ${way}`, async () => {
      for (const name of ['checks', ...(way === 'an upgrade' ? [] : ['checks2'])]) {
        const answer = await visit(name, '/large?s=200')
        assert.deepEqual(
          [answer.status, valuesOf(answer, 'x-checked')],
          [answered, [`${answered} answer to GET`]],
          name,
        )
        if (way !== 'an upgrade') assert.ok(answer.body.equals(LARGE) && !answer.isCut, `${name}: the whole body`)
        const small = await visit(name)
        assert.equal(small.body.toString(), way === 'an upgrade' ? '' : 'answer to GET')
        const swapped = await visit(name, '/large?s=403')
        assert.deepEqual([swapped.status, valuesOf(swapped, 'x-checked')], [451, []], name)
        if (way !== 'an upgrade') assert.equal(swapped.body.toString(), 'not for you')
      }
      const fixed = await visit('fixed')
      assert.deepEqual([fixed.status, valuesOf(fixed, 'x-checked')], [200, ['200 answer to GET']])
      assert.equal((await visit('fixed', '/?s=403')).status, 451)
    })

    it(`withholds the app’s answer from visitors if the request fails, over ${way}`, async () => {
      const answer = await visit('stops', '/large?s=200')
      assert.deepEqual([answer.status, code(answer)], [502, 'ERR_HTTP_REQUEST_FAILED'])
      assert.ok(!answer.body.includes('LLL'))
    })
  }

  it('holds a WebSocket back, and loses none of its bytes', async () => {
    const visitor = new RawClient(stack.port)
    visitor.write(webSocketRequest('checks.localhost', [], '/ws?s=200'))
    const answer = await visitor.until(/first bytes/)
    assert.match(answer, /^HTTP\/1\.1 101 [^]*X-Checked: 101 answer to GET\r\n[^]*first bytes$/i)
    visitor.close()
  })

  it('has a deadline for all tries', async () => {
    const startedAt = performance.now()
    await wholeAnswer('HTTP/1.1', stack.port, { host: 'slow.localhost' })
    const ms = performance.now() - startedAt
    assert.match(String(got.at(-1)?.headers['x-error']), /^ERR_TIMEOUT/)
    assert.equal(got.length, 2, 'one try, and the visitor’s request')
    assert.ok(ms > 900 && ms < 5000, String(ms))
  })

  it('leaves the visitor’s connection open', async () => {
    const visitor = new RawClient(stack.port)
    for (let count = 1; count <= 3; count++) {
      visitor.write('GET / HTTP/1.1\r\nHost: ends.localhost\r\n\r\n')
      await visitor.until(new RegExp(`(?:answer to GET[^]*){${count}}`))
    }
    visitor.close()
    assert.equal(got.length, 3)
  })

  it('is refused at once when the policy is read', () => {
    const problemOf = (config: object): string => {
      const policy = { on_http_request: [{ actions: [ask(config)] }] }
      const edges = [{ id: 'edg_x', hosts: ['x.localhost'], policy }]
      const all = { domain: 'localhost', public_url: 'http://relay.localhost', listen: { http: 0 }, store: 'sqlite:/tmp/x', edges }
      try {
        parseConfig(JSON.stringify(all), { source: 'test', env: {} })
        return ''
      } catch (error) {
        return String(error)
      }
    } // prettier-ignore
    for (const url of [
      'http://127.0.0.1/',
      'https://example.com',
      'http://169.254.169.254/latest',
      'https://auth.internal@x/',
    ]) {
      assert.match(problemOf({ url }), /http-request asks nobody else/, url)
    }
    assert.match(problemOf({ headers: { Host: 'x' } }), /Host/)
    assert.match(problemOf({ timeout: '31s' }), /from 1s to 30s/)
    assert.match(problemOf({ max_redirects: 6 }), /max_redirects/)
    assert.match(problemOf({ retry_condition: 'attempts' }), /retry_condition/)
    assert.match(problemOf({ retry_condition: 'tries < 3' }), /no variable tries/)
    assert.match(problemOf({ body: '${attempts}' }), /attempts/)
    assert.match(problemOf({ method: 'TRACE' }), /method/)
    assert.equal(problemOf({ url: 'http://auth.internal:8080/x?y=1', retry_condition: 'attempts < 2' }), '')
  })
})

// Internal endpoints: policies lead there, and the Host of a visitor never does. Asserted at the visitor, at the app and in the
// log, in each of the ways that a visitor can come. Real relay, agents and sockets.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, afterEach, before, describe, it } from 'node:test'
import { connect as connectTls } from 'node:tls'

import { startAgent } from '@sallyport/agent'
import type { Agent } from '@sallyport/agent'
import { createLog, loadLanguage, parseConfig } from '@sallyport/server'

import { NO_OPENSSL, makeCertificate } from '../support/certificate.ts'
import type { CertificateFiles } from '../support/certificate.ts'
import { RawClient } from '../support/raw-client.ts'
import { RecordingApp } from '../support/recording-app.ts'
import { httpApp, startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'
import { WAYS, visit } from '../support/three-ways.ts'
import { valuesOf, wholeAnswer } from '../support/whole-answer.ts'

const set = (headers: object): object => ({ type: 'set-headers', config: { headers } })
const add = (headers: object): object => ({ type: 'add-headers', config: { headers } })
const vars = (...items: object[]): object => ({ type: 'set-vars', config: { vars: items } })
const deny = { type: 'deny', config: {} }
const to = (name: string, on_error?: 'continue'): object => ({
  type: 'forward-internal',
  config: { url: `https://${name}.internal`, ...(on_error && { on_error }) },
})
const edge = (host: string, onRequest: object[], onResponse: object[] = [], label = 'edg_app'): string =>
  JSON.stringify({
    id: `edg_${host.replace('.', '_')}`,
    hosts: [host],
    backend: { labels: { edge: label } },
    policy: {
      on_http_request: onRequest.length > 0 ? [{ actions: onRequest }] : [],
      on_http_response: onResponse.length > 0 ? [{ actions: onResponse }] : [],
    },
  })

const SEEN = "${endpoint.host} ${endpoint.url} ${req.host} ${'mine' in vars ? 'sees vars' : 'sees no vars'}"
const EDGES = [
  edge('front.localhost', [vars({ mine: 1 }), set({ 'X-Front': SEEN }), to('api')], [add({ 'X-Order': '${endpoint.id}' })]),
  edge('api.internal', [set({ 'X-Inner': SEEN })], [add({ 'X-Order': '${endpoint.id}' })]),
  edge('away.internal', [set({ 'X-Away': 'was here', 'X-Front': 'lost' }), vars({ mine: 2 })], [add({ 'X-Order': 'away' })], 'none'),
  edge('closed.internal', [deny]),
  edge('next.localhost', [set({ 'X-Front': 'kept' }), to('nobody', 'continue'), to('away', 'continue'), to('api')]),
  edge('own.localhost', [to('nobody', 'continue'), to('away', 'continue')], [add({ 'X-Order': '${endpoint.id}' })]),
  edge('halt.localhost', [to('nobody')]),
  edge('away.localhost', [to('away')]),
  edge('closed.localhost', [to('closed', 'continue')]),
  edge('three.localhost', [to('two')]),
  edge('four.localhost', [to('one')]),
  edge('one.internal', [to('two')]),
  edge('two.internal', [to('three')]),
  edge('three.internal', [to('api')]),
  edge('loop.localhost', [to('loop', 'continue')]),
  edge('loop.internal', [to('loop', 'continue')]),
  edge('tries.localhost', Array.from({ length: 20 }, () => to('away', 'continue'))),
  edge('choice.localhost', [{ type: 'forward-internal', config: { url: "https://${req.headers['x-to'][0]}.internal" } }]),
  edge('agents.localhost', [to('agent')]),
  edge('down.localhost', [to('down', 'continue'), to('api')]),
  edge('down2.localhost', [to('down2', 'continue'), to('api')]),
  edge('over.localhost', [to('bare')], [add({ 'X-Order': '${endpoint.id}' })]),
  edge('bare.internal', []),
  edge('body.localhost', [to('nobody', 'continue'), to('away', 'continue'), to('agent')]),
] // prettier-ignore

describe('internal endpoints (traffic policy, 14.17)', { timeout: 60_000 }, () => {
  let stack: Stack
  const app = new RecordingApp()
  const echo = httpApp((request, response) => void text(request).then((body) => response.end(`${request.url} ${body}`)))
  const agents: Agent[] = []
  let tokens: Record<'own' | 'other', string>

  before(async () => {
    await loadLanguage()
    echo.listen(0, '127.0.0.1')
    await once(echo, 'listening')
    stack = await startStack({
      app: app.server,
      edges: EDGES.map((each) => `- ${each}`).join('\n'),
      listen: 'http2: all',
    })
    const make = async (...acl: string[]): Promise<string> => (await stack.relay.authtokens.create({ acl })).token
    tokens = { own: await make(), other: await make('bind:*.localhost', 'bind:their.internal') }
  })
  after(async () => {
    await stack.close()
    echo.close()
  })
  afterEach(async () => {
    for (const agent of agents.splice(0)) await agent.close({ deadlineMs: 1000 })
  })

  const code = (answer: { lines: [string, string][] }): string => valuesOf(answer, 'sallyport-error-code').join()
  const logged = (field: string): Record<string, unknown>[] =>
    stack.log.map((line) => JSON.parse(line) as Record<string, unknown>).filter((line) => field in line)

  /** Resolves when the agent is online. */
  async function launch(url: string, policy?: unknown, token = tokens.own): Promise<Agent> {
    const { port } = echo.address() as { port: number } // it listens on a port
    const agent = startAgent({
      server: `http://127.0.0.1:${stack.port}`,
      authtoken: token,
      log: createLog({ level: 'silent' }),
      tunnels: [
        {
          upstream: `http://127.0.0.1:${port}`,
          endpoint: {
            url,
            ...(policy !== undefined && { trafficPolicy: { text: JSON.stringify(policy), source: 'policy.yaml' } }),
          },
        },
      ],
    })
    agents.push(agent)
    const refused = agent.closed.then((error) => Promise.reject(error ?? new Error('closed')))
    await Promise.race([once(agent, 'online'), refused])
    refused.catch(() => {}) // it ends with the test
    return agent
  }

  for (const way of WAYS) {
    const ok = way === 'an upgrade' ? 101 : 200

    it(`get forwarded requests with the visitor’s host, over ${way}`, async () => {
      const answer = await wholeAnswer(way, stack.port, { host: 'front.localhost', path: '/x?y=1' })
      assert.equal(answer.status, ok)
      assert.match(app.heads.at(-1) ?? '', /^GET \/x\?y=1 HTTP\/1\.1\r\n/)
      assert.match(app.values('x-forwarded-host').join(), /^front\.localhost/)
      assert.match(app.values('host').join(), /^front\.localhost/)
      assert.deepEqual(app.values('x-front'), ['front.localhost http://front.localhost front.localhost sees vars'])
      assert.deepEqual(app.values('x-inner'), ['api.internal https://api.internal front.localhost sees no vars'])
      assert.deepEqual(
        valuesOf(answer, 'x-order'),
        ['edg_api_internal', 'edg_front_localhost'],
        'rules for responses of both',
      )
      const over = await wholeAnswer(way, stack.port, { host: 'over.localhost' })
      assert.deepEqual(valuesOf(over, 'x-order'), ['edg_over_localhost'], 'also if the endpoint has none')
      const line = logged('internalEdgeId').findLast(({ host }) => host === 'front.localhost')
      assert.deepEqual([line?.['edgeId'], line?.['internalEdgeId']], ['edg_front_localhost', 'edg_api_internal'])
    })

    it(`are skipped if they are missing or offline, without effects of their policy, over ${way}`, async () => {
      const next = await wholeAnswer(way, stack.port, { host: 'next.localhost' })
      assert.equal(next.status, ok)
      assert.deepEqual(app.values('x-front'), ['kept'])
      assert.deepEqual([app.values('x-away'), valuesOf(next, 'x-order')], [[], ['edg_api_internal']])
      const own = await wholeAnswer(way, stack.port, { host: 'own.localhost' })
      assert.deepEqual([own.status, valuesOf(own, 'x-order')], [ok, ['edg_own_localhost']])
    })

    it(`refuse by their own policy, and no other action runs, over ${way}`, async () => {
      const before_ = app.heads.length
      const outcomes = { halt: 'INTERNAL_ENDPOINT_OFFLINE', away: 'NO_TUNNEL_ONLINE', closed: 'DENIED' }
      for (const [name, expected] of Object.entries(outcomes)) {
        assert.equal(code(await wholeAnswer(way, stack.port, { host: `${name}.localhost` })), `ERR_${expected}`)
      }
      assert.equal(app.heads.length, before_)
      assert.equal(logged('code').findLast(({ code: each }) => each === 'ERR_INTERNAL_ENDPOINT_OFFLINE')?.['detail'], 'there is no endpoint https://nobody.internal') // prettier-ignore
    })

    it(`may be three in a chain, and circles end, over ${way}`, async () => {
      assert.equal((await wholeAnswer(way, stack.port, { host: 'three.localhost' })).status, ok)
      const before_ = app.heads.length
      for (const [name, way_] of [
        ['four', 'edg_four_localhost → edg_one_internal → edg_two_internal → edg_three_internal → edg_api_internal'],
        ['loop', `edg_loop_localhost${' → edg_loop_internal'.repeat(4)}`],
        ['tries', 'edg_tries_localhost → edg_away_internal'],
      ] as const) {
        const answer = await wholeAnswer(way, stack.port, { host: `${name}.localhost` })
        assert.deepEqual([answer.status, code(answer)], [508, 'ERR_TOO_MANY_FORWARDS'], name)
        assert.equal(logged('code').at(-1)?.['detail'], way_)
      }
      assert.equal(app.heads.length, before_)
    })

    it(`are not reached by a visitor’s Host, over ${way}`, async () => {
      const before_ = app.heads.length
      for (const host of ['api.internal', 'API.Internal', 'api.internal.', 'api.internal:80', 'api.internal.:8080']) {
        assert.equal(await visit(way, stack.port, { host }), 404, host)
      }
      assert.equal(app.heads.length, before_)
    })
  }

  it('are not reached by an absolute target either, nor by one of the relay’s own paths there', async () => {
    const before_ = app.heads.length
    for (const target of ['http://api.internal/', 'https://API.INTERNAL./x', '/.sallyport/login']) {
      const visitor = new RawClient(stack.port)
      const host = /^https?:\/\/([^/]+)/.exec(target)?.[1] ?? 'api.internal'
      visitor.write(`GET ${target} HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
      assert.match(await visitor.until(/ERR_\w+/), /^HTTP\/1\.1 404 [^]*ERR_EDGE_NOT_FOUND/, target)
      visitor.close()
    }
    assert.equal(app.heads.length, before_)
  })

  it('have exactly one spelling of their address, whatever a visitor puts into it', async () => {
    const from = (name: string): Promise<number> =>
      visit('HTTP/1.1', stack.port, { host: 'choice.localhost', headers: [['X-To', name]] })
    assert.equal(await from('api'), 200)
    assert.equal(await from('API'), 200)
    const before_ = app.heads.length
    for (const name of ['evil.example/.api', 'u@api', 'api%2einternal/', 'api.internal./', '*', 'api:80@evil', '//api', 'x#.api', 'x?.api', '']) {
      assert.equal(await from(name), 503, name)
    } // prettier-ignore
    assert.equal(app.heads.length, before_)
  })

  it('come from agents, and policies of agents reach only those of their own authtoken', async () => {
    const agent = await launch('http://agent.internal:8080')
    const [tunnel] = agent.status.tunnels
    assert.deepEqual(tunnel?.endpoints, ['https://agent.internal'])
    assert.equal(tunnel?.visitors, 'only through policies that forward here')
    assert.deepEqual(
      tunnel?.edges?.map(({ visitors }) => visitors),
      [[tunnel.visitors]],
    )
    assert.equal((await get('agents.localhost')).body, '/ ', 'a policy of the operator')
    assert.equal(await visit('HTTP/1.1', stack.port, { host: 'agent.internal' }), 404)

    const forwards = { on_http_request: [{ actions: [to('agent')] }] }
    await launch('http://mine.localhost', forwards)
    assert.equal((await get('mine.localhost', '/mine')).body, '/mine ')
    await launch('http://their.localhost', forwards, tokens.other)
    assert.equal(
      (await get('their.localhost')).response.headers['sallyport-error-code'],
      'ERR_INTERNAL_ENDPOINT_OFFLINE',
    )
    await launch('http://reach.localhost', { on_http_request: [{ actions: [to('api')] }] })
    const before_ = app.heads.length
    assert.equal((await get('reach.localhost')).response.statusCode, 503, 'an endpoint of relay.yml')
    assert.equal(app.heads.length, before_)
    const asks = (name: string): object => ({ type: 'http-request', config: { url: `https://${name}.internal/asked` } })
    await launch('http://asks.localhost', { on_http_request: [{ actions: [asks('agent'), to('agent')] }] })
    assert.equal((await get('asks.localhost')).response.statusCode, 200)
    await launch('http://pries.localhost', { on_http_request: [{ actions: [asks('api')] }] })
    assert.equal((await get('pries.localhost')).response.headers['sallyport-error-code'], 'ERR_HTTP_REQUEST_FAILED')
    assert.equal(app.heads.length, before_, 'http-request neither')
    await agent.close()
    assert.equal((await get('mine.localhost')).response.statusCode, 503, 'offline')
  })

  it('follow the ACL, and have no sign-in', async () => {
    await assert.rejects(
      launch('https://agent.internal', undefined, tokens.other),
      /does not permit the host agent\.internal/,
    )
    await launch('https://their.internal', undefined, tokens.other)
    await assert.rejects(
      launch('https://api.internal'),
      /an edge in the configuration of the relay covers api\.internal/,
    )
    const config = { issuer_url: 'https://login.example.com', client_id: 'x' }
    const signIn = { on_http_request: [{ actions: [{ type: 'openid-connect', config }] }] }
    await assert.rejects(launch('https://in.internal', signIn), /the policy of the endpoint has a problem/)
  })

  it('are skipped if their app takes no connection, unless a body was sent', async () => {
    const down = startAgent({
      server: `http://127.0.0.1:${stack.port}`,
      authtoken: tokens.own,
      log: createLog({ level: 'silent' }),
      tunnels: [
        { upstream: 'http://127.0.0.1:9', endpoint: { url: 'https://down.internal' } },
        { upstream: 'http://127.0.0.1:9', endpoint: { url: 'https://down2.internal' }, upstreamProtocol: 'http2' },
      ],
    })
    agents.push(down)
    await once(down, 'online')
    const before_ = app.heads.length
    assert.equal((await get('down.localhost', '/', 'a body')).response.headers['sallyport-error-code'], 'ERR_APP_DOWN')
    assert.equal(app.heads.length, before_)
    for (const way of WAYS) {
      assert.equal(await visit(way, stack.port, { host: 'down.localhost' }), way === 'an upgrade' ? 101 : 200, way)
      assert.deepEqual(app.values('x-inner').length, 1, 'the one behind it')
      const toHttp2 = await visit(way, stack.port, { host: 'down2.localhost' })
      assert.equal(toHttp2, way === 'an upgrade' ? 501 : 200, `${way}, to an app that speaks HTTP/2`)
    }
  })

  it('get the whole body after missing endpoints', async () => {
    await launch('https://agent.internal')
    const body = 'x'.repeat(200_000)
    assert.equal((await get('body.localhost', '/', body)).body, `/ ${body}`)
  })

  async function get(host: string, path = '/', body = ''): Promise<{ response: IncomingMessage; body: string }> {
    const sent = httpRequest({ port: stack.port, host: '127.0.0.1', path, method: body ? 'POST' : 'GET', headers: { host }, agent: false }) // prettier-ignore
    sent.end(body)
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    return { response, body: await text(response) }
  }
})

describe('the configuration of internal endpoints', () => {
  const problemOf = (edges: object[], domain = 'localhost'): string => {
    const config = { domain, public_url: 'http://relay.localhost', listen: { http: 0 }, store: 'sqlite:/tmp/x', edges }
    try {
      parseConfig(JSON.stringify(config), { source: 'test', env: {} })
      return ''
    } catch (error) {
      return String(error)
    }
  }
  const forwards = (url: string): object[] => [
    { id: 'edg_x', hosts: ['x.localhost'], policy: { on_http_request: [{ actions: [{ type: 'forward-internal', config: { url } }] }] } },
  ] // prettier-ignore

  it('is refused with a sentence', () => {
    assert.match(problemOf([{ id: 'edg_x', hosts: ['x.localhost', 'x.internal'] }]), /make an edge for each/)
    assert.match(problemOf([{ id: 'edg_x', hosts: ['x.internal'], origin: 'https://x.internal' }]), /remove it/)
    const signIn = { type: 'openid-connect', config: { issuer_url: 'https://login.example.com', client_id: 'x' } }
    const policy = { on_http_request: [{ actions: [signIn] }] }
    assert.match(problemOf([{ id: 'edg_x', hosts: ['x.internal'], policy }]), /put it on the edge that forwards here/)
    const tls = { on_tcp_connect: [{ actions: [{ type: 'terminate-tls', config: { min_version: '1.3' } }] }] }
    assert.match(problemOf([{ id: 'edg_x', hosts: ['x.internal'], policy: tls }]), /about connections of visitors/)
    assert.match(problemOf([], 'corp.internal'), /choose another domain/)
    for (const url of ['https://api.example.com', 'api.internal', 'ftp://api.internal', 'https://api.internal@evil.com', 'https://.internal', 'https://api.internal.']) {
      assert.match(problemOf(forwards(url)), /is not the address of an internal endpoint/, url)
    } // prettier-ignore
    assert.match(problemOf(forwards('https://api.internal/x')), /has a path/)
    for (const url of ['https://api.internal', 'http://api.internal:8080/'])
      assert.equal(problemOf(forwards(url)), '', url)
  })
})

describe('internal endpoints and TLS', { timeout: 60_000 }, () => {
  let stack: Stack
  let folder: string
  let certificate: CertificateFiles | undefined
  const app = new RecordingApp()
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sallyport-internal-'))
    certificate = await makeCertificate(folder, ['relay.localhost', '*.localhost', '*.internal'])
    if (!certificate) return
    const edges = [edge('front.localhost', [to('api')]), edge('api.internal', [])].map((each) => `- ${each}`).join('\n')
    stack = await startStack({ app: app.server, edges, certificate })
  })
  after(async () => {
    if (certificate) await stack.close()
    await rm(folder, { recursive: true })
  })

  it('are separate: no SNI leads there', async (t) => {
    if (!certificate) return t.skip(NO_OPENSSL)
    for (const [host, status] of [
      ['api.internal', 404],
      ['front.localhost', 200],
    ] as const) {
      const socket = connectTls({
        port: stack.tlsPort,
        host: '127.0.0.1',
        servername: 'api.internal',
        rejectUnauthorized: false,
      })
      socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
      assert.match(await text(socket), new RegExp(`^HTTP/1\\.1 ${status} `), host)
    }
    assert.equal(app.heads.length, 1)
  })
})

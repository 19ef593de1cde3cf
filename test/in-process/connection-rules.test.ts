// Rules of on_tcp_connect: the answers, the requests at the app, and how often the rules run, in each of the ways that visitors
// can come. Real relay, agents and sockets.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, describe, it } from 'node:test'

import { startAgent } from '@sallyport/agent'
import { createLog } from '@sallyport/server'

import { RawClient } from '../support/raw-client.ts'
import { RawHttp2, request as http2Request } from '../support/raw-http2.ts'
import { RecordingApp } from '../support/recording-app.ts'
import { startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'
import { WAYS, visit } from '../support/three-ways.ts'
import { until } from '../support/until.ts'
import { valuesOf, wholeAnswer } from '../support/whole-answer.ts'

const APP = { labels: { edge: 'edg_app' } }
const rule = (type: string, config: object = {}, ...expressions: string[]): object => ({
  ...(expressions.length > 0 && { expressions }),
  actions: [{ type, config }],
})
const log = (where: string): object =>
  rule('log', { metadata: { where, from: '${conn.client_ip}', to: '${endpoint.host}', tag: '${vars.tag}' } })
const COUNTED = [rule('set-vars', { vars: [{ tag: "${'t' + string(conn.server_port > 0)}" }] }), log('connection')]
const onConnect = (...rules: object[]): object => ({ on_tcp_connect: rules })
const POLICIES: Record<string, object> = {
  open: {},
  restricted: onConnect(rule('restrict-ips', { allow: ['127.0.0.2'] })),
  denied: onConnect(rule('deny'), log('never')),
  closed: onConnect(rule('close-connection')),
  sometimes: onConnect(rule('deny', {}, "conn.client_ip == '127.0.0.2'", "conn.tls.version == ''")),
  broken: onConnect(rule('deny', {}, "conn.client_ip.split(':')[1] == ''")),
  counted: {
    ...onConnect(...COUNTED, rule('restrict-ips', { allow: ['127.0.0.0/8'] })),
    on_http_request: [
      rule('set-headers', {
        headers: { 'X-Seen': "${'tag' in vars} ${has(actions.ngrok.restrict_ips.action)} ${req.method}" },
      }),
    ],
  },
  other: onConnect(...COUNTED),
  answers: { on_http_response: [rule('restrict-ips', { allow: ['127.0.0.2'] })] },
}
const EDGES = [
  ...Object.entries(POLICIES).map(([name, policy]) => ({
    id: `edg_${name}`,
    hosts: [`${name}.localhost`],
    backend: APP,
    policy,
  })),
  {
    id: 'edg_routes',
    hosts: ['routes.localhost'],
    policy: onConnect(rule('restrict-ips', { allow: ['127.0.0.2'] })),
    routes: ['/', '/deep'].map((path_prefix) => ({ path_prefix, backend: APP })),
  },
]

describe('rules of on_tcp_connect (traffic policy, 1, 14.6)', { timeout: 60_000 }, () => {
  let stack: Stack
  let behindProxy: Stack
  const [app, second] = [new RecordingApp(), new RecordingApp()]
  before(async () => {
    const edges = EDGES.map((each) => `- ${JSON.stringify(each)}`).join('\n')
    stack = await startStack({ app: app.server, edges, listen: 'http2: all' })
    const config = 'trusted_proxies: [127.0.0.1]'
    behindProxy = await startStack({ app: second.server, edges, config, listen: 'http2: all' })
  })
  after(() => Promise.all([stack.close(), behindProxy.close()]))

  const linesSince = (start: number, of: Stack = stack): string[] => of.log.slice(start)
  const told = (start: number, word: string, of?: Stack): string[] =>
    linesSince(start, of).filter((line) => line.includes(word))

  for (const way of WAYS) {
    it(`end the connection without an answer, and nothing reaches the app, over ${way}`, async () => {
      for (const [host, reason] of [
        ['restricted', 'ERR_IP_RESTRICTED'],
        ['denied', 'ERR_DENIED'],
        ['closed', 'closed by the policy'],
        ['routes', 'ERR_IP_RESTRICTED'],
      ] as const) {
        app.heads.length = 0
        const start = stack.log.length
        for (const path of ['/', '/deep/x', '/.sallyport/login']) {
          await assert.rejects(wholeAnswer(way, stack.port, { host: `${host}.localhost`, path }), `${host}${path}`)
        }
        assert.deepEqual(app.heads, [], host)
        await until('the log has them', () => told(start, reason).length === 3)
        assert.match(told(start, reason)[0] ?? '', new RegExp(`"status":0,.*"edgeId":"edg_${host}"`))
        assert.deepEqual(told(start, 'policy log'), [])
      }
    })

    it(`let others pass, by address and by expression, over ${way}`, async () => {
      const passes = way === 'an upgrade' ? 101 : 200
      for (const host of ['restricted', 'routes']) {
        assert.equal(await visit(way, stack.port, { host: `${host}.localhost`, from: '127.0.0.2' }), passes, host)
      }
      assert.equal(await visit(way, stack.port, { host: 'sometimes.localhost' }), passes)
      const refused = visit(way, stack.port, { host: 'sometimes.localhost', from: '127.0.0.2' })
      if (way === 'HTTP/2') await assert.rejects(refused, /the connection ended/)
      else await assert.rejects(refused)
    })

    it(`refuse if an expression fails, each time, over ${way}`, async () => {
      app.heads.length = 0
      for (let i = 0; i < 2; i++) {
        const answer = await wholeAnswer(way, stack.port, { host: 'broken.localhost' })
        assert.deepEqual(valuesOf(answer, 'sallyport-error-code'), ['ERR_EXPRESSION_FAILED'])
      }
      assert.deepEqual(app.heads, [])
      assert.match(stack.log.findLast((line) => line.includes('ERR_EXPRESSION_FAILED')) ?? '', /on_tcp_connect\[0\]/)
    })

    it(`withhold the answer of the app if restrict-ips is in on_http_response, over ${way}`, async () => {
      assert.equal(await visit(way, stack.port, { host: 'answers.localhost' }), 403)
      assert.equal(
        await visit(way, stack.port, { host: 'answers.localhost', from: '127.0.0.2' }),
        way === 'an upgrade' ? 101 : 200,
      )
    })
  }

  it('run once for each connection and edge, not for each request, over HTTP/1.1', async () => {
    const start = stack.log.length
    app.heads.length = 0
    const visitor = new RawClient(stack.port)
    for (const [index, host] of ['counted', 'counted', 'other', 'counted', 'other'].entries()) {
      visitor.write(`GET /${index} HTTP/1.1\r\nHost: ${host}.localhost\r\n\r\n`)
      await until('an answer', () => visitor.text.split('HTTP/1.1 200').length === index + 2)
      if (host === 'counted') assert.deepEqual(app.values('x-seen'), ['false false GET'])
    }
    visitor.close()
    const lines = told(start, 'policy log').map((line) => JSON.parse(line) as Record<string, unknown>)
    assert.deepEqual(
      lines.map(({ rule: named, metadata }) => [named, metadata]),
      ['counted', 'other'].map((host) => [
        'on_tcp_connect[1]',
        { where: 'connection', from: '127.0.0.1', to: `${host}.localhost`, tag: 'ttrue' },
      ]),
    )
    await visit('HTTP/1.1', stack.port, { host: 'counted.localhost' })
    assert.equal(told(start, 'policy log').length, 3, 'another connection')
  })

  it('run once for each edge of one connection, and end the whole connection, over HTTP/2', async () => {
    const start = stack.log.length
    const visitor = new RawHttp2(stack.port)
    const send = (id: number, host: string): void => {
      const fields = { ':method': 'GET', ':scheme': 'http', ':authority': `${host}.localhost`, ':path': '/' }
      visitor.write(http2Request(id, Object.entries(fields)))
    }
    for (const [index, host] of ['counted', 'counted', 'other', 'open'].entries()) {
      send(2 * index + 1, host)
      assert.equal(await visitor.answer(2 * index + 1), '200', host)
    }
    assert.equal(told(start, 'policy log').length, 2)
    app.heads.length = 0
    send(9, 'denied')
    send(11, 'open')
    await visitor.untilOver()
    await assert.rejects(visitor.answer(9), /the connection ended/)
    assert.ok(app.heads.length <= 1 && app.heads.every((head) => head.includes('open.localhost')), app.heads.join())
  })

  it('run for each request behind a trusted proxy, whose connection stays for others', async () => {
    const start = behindProxy.log.length
    const visitor = new RawHttp2(behindProxy.port)
    const send = (id: number, host: string, from: string): void => {
      const fields = { ':method': 'GET', ':scheme': 'http', ':authority': `${host}.localhost`, ':path': '/' }
      visitor.write(http2Request(id, [...Object.entries(fields), ['x-forwarded-for', from]]))
    }
    second.heads.length = 0
    send(1, 'restricted', '127.0.0.2')
    assert.equal(await visitor.answer(1), '200')
    send(3, 'restricted', '192.0.2.1')
    assert.match(await visitor.answer(3), /^reset/)
    send(5, 'restricted', '127.0.0.2')
    assert.equal(await visitor.answer(5), '200')
    send(7, 'restricted', 'garbage')
    assert.match(await visitor.answer(7), /^reset/)
    for (const id of [9, 11]) {
      send(id, 'other', '192.0.2.9')
      assert.equal(await visitor.answer(id), '200')
    }
    visitor.close()
    assert.equal(second.heads.length, 4)
    assert.equal(told(start, 'policy log', behindProxy).length, 2)
    const overHttp1 = new RawClient(behindProxy.port)
    overHttp1.write('GET / HTTP/1.1\r\nHost: restricted.localhost\r\nX-Forwarded-For: 127.0.0.2\r\n\r\n')
    await overHttp1.until(/^HTTP\/1\.1 200/)
    overHttp1.write('GET / HTTP/1.1\r\nHost: restricted.localhost\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n')
    await overHttp1.untilOver()
    assert.equal(overHttp1.text.split('HTTP/1.1 ').length, 2, overHttp1.text)
    assert.equal(second.heads.length, 5)
  })

  it('are part of the policies that agents bring', async (t) => {
    const { token } = await stack.relay.authtokens.create({ acl: [] })
    const text = "on_tcp_connect: [{ actions: [{ type: restrict-ips, config: { deny: ['127.0.0.2'] } }] }]"
    const agent = startAgent({
      server: `http://127.0.0.1:${stack.port}`,
      authtoken: token,
      log: createLog({ level: 'silent' }),
      tunnels: [
        {
          upstream: `http://127.0.0.1:${stack.appPort}`,
          endpoint: { url: 'brought.localhost', trafficPolicy: { text, source: 'policy.yaml' } },
        },
      ],
    })
    t.after(() => agent.close({ deadlineMs: 1000 }))
    await once(agent, 'online')
    assert.deepEqual(agent.status.tunnels[0]?.edges?.[0]?.visitors, ['not from 127.0.0.2'])
    app.heads.length = 0
    assert.equal(await visit('HTTP/1.1', stack.port, { host: 'brought.localhost' }), 200)
    await assert.rejects(visit('HTTP/1.1', stack.port, { host: 'brought.localhost', from: '127.0.0.2' }))
    assert.equal(app.heads.length, 1)
  })
})

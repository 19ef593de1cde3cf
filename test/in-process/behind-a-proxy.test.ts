// A relay behind a proxy that it trusts: the visitor's address, over every version of HTTP that the proxy may speak.
// Real relay, agent and sockets; the proxy is written by hand, and a real HAProxy if it is installed.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { after, before, describe, it } from 'node:test'

import { AGENT_PATH, SUBPROTOCOL } from '@sallyport/protocol'
import { WebSocket } from 'ws'

import { NO_HAPROXY, startHaproxy } from '../support/programs/haproxy.ts'
import type { Haproxy } from '../support/programs/haproxy.ts'
import { RecordingApp } from '../support/recording-app.ts'
import { startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'
import { WAYS, visit } from '../support/three-ways.ts'

const restricted = (config: object): object => ({ on_http_request: [{ actions: [{ type: 'restrict-ips', config }] }] })
const POLICIES: readonly (readonly [host: string, policy: object | undefined])[] = [
  ['open', undefined],
  ['allowed', restricted({ allow: ['10.9.9.9', '2001:db8::/32'] })],
  ['inside', restricted({ allow: ['127.0.0.0/8', '10.0.0.0/8'] })],
  ['denied', restricted({ deny: ['203.0.113.5'] })],
  [
    'password',
    { on_http_request: [{ actions: [{ type: 'basic-auth', config: { credentials: ['ada:correct horse'] } }] }] },
  ],
]
const EDGES = POLICIES.map(
  ([name, policy]) =>
    `- ${JSON.stringify({
      id: `edg_${name}`,
      hosts: [`${name}.localhost`],
      routes: [{ path_prefix: '/', backend: { labels: { edge: 'edg_app' } }, ...(policy !== undefined && { policy }) }],
    })}`,
).join('\n')
const CONFIG = `
trusted_proxies: [127.0.0.1, 10.0.0.0/24]
limits: { failed_passwords_per_minute: 2, failed_agent_logins_per_minute: 2 }
`

describe('behind a trusted proxy', { timeout: 60_000 }, () => {
  let stack: Stack
  const app = new RecordingApp()
  before(async () => {
    stack = await startStack({ app: app.server, edges: EDGES, config: CONFIG, listen: 'http2: all' })
  })
  after(() => stack.close())

  for (const way of WAYS) {
    const passes = way === 'an upgrade' ? 101 : 200
    const ask = (host: string, ...headers: [string, string][]): Promise<number> => {
      app.heads.length = 0
      return visit(way, stack.port, { host, headers })
    }
    const forwarded = (value: string): [string, string] => ['x-forwarded-for', value]

    it(`S6: the proxy’s line counts, not the visitor’s, over ${way}`, async () => {
      for (const lines of [
        ['10.9.9.9', '203.0.113.5'],
        ['10.9.9.9, 10.9.9.9', '203.0.113.5'],
        ['10.9.9.9', '10.9.9.9', '203.0.113.5, 10.0.0.1'],
        ['10.9.9.9, 203.0.113.5'],
        ['10.9.9.9', '203.0.113.5', ''],
      ]) {
        assert.equal(await ask('allowed.localhost', ...lines.map(forwarded)), 403, lines.join(' | '))
        assert.deepEqual(app.heads, [], 'nothing reaches the app')
      }
      assert.equal(await ask('allowed.localhost', forwarded('203.0.113.5'), forwarded('10.9.9.9')), passes)
      assert.deepEqual(app.values('x-forwarded-for'), ['10.9.9.9, 127.0.0.1'])
      const proto = ['http', 'https'].map((scheme): [string, string] => ['x-forwarded-proto', scheme])
      assert.equal(await ask('open.localhost', ...proto), passes)
      assert.deepEqual(app.values('x-forwarded-proto'), ['https'])
      assert.equal(await ask('open.localhost', ...proto.toReversed()), passes)
      assert.deepEqual(app.values('x-forwarded-proto'), ['http'])
    })

    it(`S14: an address with its port is that address, over ${way}`, async () => {
      for (const [host, value, told] of [
        ['allowed.localhost', '10.9.9.9:5123', '10.9.9.9, 127.0.0.1'],
        ['allowed.localhost', '[2001:db8::1]:443', '2001:db8::1, 127.0.0.1'],
        ['denied.localhost', '198.51.100.7:1, 10.0.0.9:2', '198.51.100.7, 10.0.0.9, 127.0.0.1'],
      ] as const) {
        assert.equal(await ask(host, forwarded(value)), passes, value)
        assert.deepEqual(app.values('x-forwarded-for'), [told])
      }
      for (const [host, value] of [
        ['inside.localhost', '203.0.113.5:1234'],
        ['denied.localhost', '203.0.113.5:1234'],
        ['denied.localhost', '198.51.100.7, 203.0.113.5:1'],
      ] as const) {
        assert.equal(await ask(host, forwarded(value)), 403, value)
        assert.deepEqual(app.heads, [], 'nothing reaches the app')
      }
    })

    it(`S14: an unreadable address is neither the proxy nor anyone on a list, over ${way}`, async () => {
      for (const host of ['inside.localhost', 'allowed.localhost', 'denied.localhost']) {
        for (const value of ['unknown', '_hidden', '10.9.9.9, garbage', '203.0.113.5:1234:x']) {
          assert.equal(await ask(host, forwarded(value)), 403, `${value} at ${host}`)
          assert.deepEqual(app.heads, [], 'nothing reaches the app')
        }
      }
      assert.equal(await ask('open.localhost', forwarded('10.9.9.9, garbage')), passes)
      assert.deepEqual(app.values('x-forwarded-for'), ['unknown, 127.0.0.1'])
      const refusals = stack.log.filter((line) => line.includes('ERR_IP_RESTRICTED'))
      assert.match(refusals.at(-1) ?? '', /"clientIp":"unknown"/)
    })
  }

  it('S14: their tries are counted for themselves, not for the proxy', async () => {
    const wrong = ['authorization', `Basic ${Buffer.from('ada:wrong').toString('base64')}`] as const
    const right = ['authorization', `Basic ${Buffer.from('ada:correct horse').toString('base64')}`] as const
    const ask = (...headers: (readonly [string, string])[]): Promise<number> =>
      visit('HTTP/1.1', stack.port, { host: 'password.localhost', headers })
    const unknown = ['x-forwarded-for', 'garbage'] as const
    assert.deepEqual([await ask(wrong, unknown), await ask(wrong, unknown), await ask(wrong, unknown)], [401, 401, 429])
    assert.equal(await ask(right), 200, 'the proxy itself')
    assert.equal(await ask(right, ['x-forwarded-for', '203.0.113.5']), 200)
  })

  it('agents have their own addresses as well: their refusals are counted and logged by them', async () => {
    const ask = async (address: string): Promise<number> => {
      const refused = new WebSocket(`ws://127.0.0.1:${stack.port}${AGENT_PATH}`, SUBPROTOCOL, {
        headers: { authorization: 'Bearer sp_wrong', 'x-forwarded-for': `10.9.9.9, ${address}` },
      })
      const [, response] = (await once(refused, 'unexpected-response')) as [unknown, IncomingMessage] // as ws documents
      response.resume()
      return response.statusCode ?? 0
    }
    const statuses = [await ask('203.0.113.7'), await ask('203.0.113.7'), await ask('203.0.113.7')]
    assert.deepEqual(statuses, [401, 401, 429])
    assert.equal(await ask('203.0.113.8'), 401)
    const told = stack.log
      .filter((line) => line.includes('"agent refused"'))
      .map((line) => /"address":"(.*?)"/.exec(line)?.[1])
    assert.deepEqual(told, [...Array<string>(3).fill('203.0.113.7'), '203.0.113.8'])
  })
})

describe('behind HAProxy', { skip: NO_HAPROXY, timeout: 60_000 }, () => {
  let stack: Stack
  let haproxy: Haproxy<'h1ToH1' | 'h1ToH2' | 'h2ToH2'>
  const app = new RecordingApp()

  before(async () => {
    stack = await startStack({ app: app.server, edges: EDGES, config: CONFIG, listen: 'http2: all' })
    const h2 = ' proto h2'
    const listeners = { h1ToH1: {}, h1ToH2: { back: h2 }, h2ToH2: { front: h2, back: h2 } }
    haproxy = await startHaproxy(stack.port, listeners, ['option forwardfor'])
  })
  after(async () => {
    await haproxy.close()
    await stack.close()
  })

  for (const [name, way] of [
    ['h1ToH1', 'HTTP/1.1'],
    ['h1ToH2', 'HTTP/1.1'],
    ['h2ToH2', 'HTTP/2'],
    ['h1ToH1', 'an upgrade'],
    ['h1ToH2', 'an upgrade'],
  ] as const) {
    it(`S6: a visitor has their own address, with ${way} (${name})`, async () => {
      const from = '127.0.0.2' // the proxy's own address is trusted
      const headers = [['x-forwarded-for', '10.9.9.9']] as const
      assert.equal(await visit(way, haproxy.ports[name], { from, headers, host: 'allowed.localhost' }), 403)
      assert.deepEqual(app.heads, [], 'nothing reaches the app')
      const passes = way === 'an upgrade' ? 101 : 200
      assert.equal(await visit(way, haproxy.ports[name], { from, headers, host: 'open.localhost' }), passes)
      assert.deepEqual(app.values('x-forwarded-for'), ['127.0.0.2, 127.0.0.1'])
      assert.deepEqual(app.values('host'), ['open.localhost'])
      app.heads.length = 0
    })
  }
})

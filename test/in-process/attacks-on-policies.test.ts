// Known attacks on the decision about a request, each against a rule that it tries to get around, in each of the ways that a
// visitor can come. Asserted at the visitor and at the app. The numbers are those of the list of attacks. Real relay, agents and
// sockets.

import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'

import { startHostileProvider } from '../../packages/server/src/oidc/hostile-provider.test-support.ts'
import type { HostileProvider } from '../../packages/server/src/oidc/hostile-provider.test-support.ts'
import { Browser } from '../support/browser/browser.ts'
import { HandAgent } from '../support/hand-agent.ts'
import { freePort } from '../support/processes.ts'
import { RawClient } from '../support/raw-client.ts'
import { RawHttp2, request as http2Request } from '../support/raw-http2.ts'
import { RecordingApp } from '../support/recording-app.ts'
import { startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'
import { WAYS, visit } from '../support/three-ways.ts'

type Fields = readonly (readonly [name: string, value: string])[]
interface Rule {
  expressions?: string[]
  actions: object[]
}

const DENY = { type: 'deny', config: {} }
const denyIf = (...expressions: string[]): Rule => ({ expressions, actions: [DENY] })
const always = (type: string, config: object): Rule => ({ actions: [{ type, config }] })
const ONLY_LOCAL = always('restrict-ips', { allow: ['127.0.0.1/32'] })
const AUTHORIZATION = ['authorization', `Basic ${Buffer.from('ada:correct horse').toString('base64')}`] as const
const PASSWORD = { type: 'basic-auth', config: { credentials: ['ada:correct horse'] } }

/** For a request that is none of HTTP; a stream of HTTP/2 may be reset instead, which is no number. */
const REFUSED = [400, 405, 501, Number.NaN]

/** An edge at `name.localhost`, or at an internal host. */
const edge = (name: string, rules: readonly Rule[], label = 'edg_app'): object => ({
  id: `edg_${name.replace('.', '_')}`,
  hosts: [name.includes('.') ? name : `${name}.localhost`],
  backend: { labels: { edge: label } },
  policy: { on_http_request: rules },
})
const forward = (host: string): Rule => always('forward-internal', { url: `https://${host}` })

const edgesFor = (provider: HostileProvider): object[] => {
  const signIn = always('openid-connect', { client_id: 'relay', client_secret: 'x', issuer_url: provider.issuer })
  return [
    edge('public', [denyIf("!req.url.path.startsWith('/public')")]),
    edge('admin', [denyIf("req.url.path == '/status'"), denyIf("req.url.path.startsWith('/admin')")]),
    edge('private', [{ expressions: ["!req.url.path.startsWith('/public')"], actions: [PASSWORD] }]),
    edge('people', [denyIf("!getReqHeader('sallyport-auth-user-email').exists(e, e.endsWith('@corp.example'))")]),
    edge('hosts', [denyIf("req.host == 'hosts.localhost' || getReqHeader('host')[0] == 'hosts.localhost'")]),
    edge('other', [always('set-headers', { headers: { 'X-Asked': '${req.host} ${req.url}' } })]),
    edge('answers', [always('custom-response', { body: 'answered' })]),
    edge('inside', [denyIf("!('sallyport-internal' in req.headers) && !hasReqHeader('Sallyport-Request-Id')")]),
    edge('address', [denyIf("!conn.client_ip.startsWith('10.')")]),
    edge('claimed', [denyIf("!getReqHeader('x-forwarded-for')[0].startsWith('10.')")]),
    edge('listed', [always('restrict-ips', { allow: ['10.0.0.0/8'] })]),
    edge('both', [ONLY_LOCAL, signIn]),
    edge('reversed', [signIn, denyIf("conn.client_ip != '127.0.0.1'")]),
    edge('roles', [
      denyIf("getReqHeader('x-role').exists(role, role == 'admin')"),
      { actions: [PASSWORD, { type: 'set-headers', config: { headers: { 'X-Auth-User': 'ours' } } }] },
    ]),
    edge('rewrites', [
      always('url-rewrite', { from: '^http://[^/]+/to/([^?]*)', to: "/$1${getQueryParam('more').join('')}" }),
      denyIf("req.url.path.startsWith('/admin')"),
    ]),
    edge('joined', [denyIf("req.url.path == '/closed'")], 'edg_team'),
    edge('team', [forward('team.internal')]),
    edge('vault', [forward('constructor.internal')]),
    edge('safe', [forward('safe.internal')]),
    edge('safe.internal', []),
  ]
}

describe('known attacks on policies (traffic policy, attacks 1 to 12, 18 and 37)', { timeout: 60_000 }, () => {
  let stack: Stack
  let provider: HostileProvider
  let evil: HandAgent
  /** By the edge of a sign-in. */
  const cookies = new Map<string, string>()
  const app = new RecordingApp()

  before(async () => {
    provider = await startHostileProvider()
    stack = await startStack({
      port: await freePort(),
      app: app.server,
      edges: edgesFor(provider)
        .map((each) => `- ${JSON.stringify(each)}`)
        .join('\n'),
      listen: 'http2: all',
    })
    for (const host of ['both', 'reversed']) cookies.set(host, await signIn(host))
    const { token } = await stack.relay.authtokens.create({
      acl: ['bind:edge=edg_evil', 'bind:evil.localhost', 'bind:evil.internal'],
    })
    evil = await HandAgent.connect(stack, token)
    evil.hello()
    await evil.next('welcome')
    const policy = { on_http_request: [forward('safe.internal')] }
    evil.send({ type: 'bind', tunnel_id: 9, url: 'evil.localhost', forwards_to: 'x', policy })
    await evil.next('bound')
  })
  after(async () => {
    evil.close()
    await stack.close()
    await provider.close()
  })
  beforeEach(() => void (app.heads.length = 0))

  /** @returns the cookies of a visitor who has signed in there */
  async function signIn(name: string): Promise<string> {
    const browser = new Browser()
    assert.equal((await browser.open(`http://${name}.localhost:${stack.port}/`)).body, 'ok')
    return browser.cookieHeader(new URL(`http://${name}.localhost/`))
  }

  it('attack 37: an agent joins no edge and no internal endpoint that its authtoken does not permit', async () => {
    const values = ['edg_team', 'edg_evil2', 'edg_evi', 'EDG_EVIL', '__proto__', 'constructor']
    const hosts = ['team', 'safe', 'evil2', 'xevil', 'a.evil', 'constructor', '__proto__']
    for (const fields of [
      ...values.map((value) => ({ labels: [['edge', value]] })),
      { labels: [['edge', 'edg_evil'], ['team', 'edg_team']] }, // prettier-ignore
      ...hosts.map((host) => ({ url: `https://${host}.internal` })),
      { url: 'team.localhost' },
      { url: 'x.evil.localhost' },
    ]) {
      evil.send({ type: 'bind', tunnel_id: 1, forwards_to: 'x', ...fields })
      const refused = await evil.next('refused')
      assert.ok(refused.type === 'refused' && refused.code.startsWith('bind_'), JSON.stringify(fields))
    }
  })

  for (const way of WAYS) {
    const fine = way === 'an upgrade' ? 101 : 200
    const ask = (name: string, path = '/', headers: Fields = [], from?: string): Promise<number> =>
      visit(way, stack.port, { host: `${name}.localhost`, path, headers, ...(from !== undefined && { from }) })

    /** Nothing of the request has reached the app. */
    async function refuses(statuses: number | readonly number[], ...asked: Parameters<typeof ask>): Promise<void> {
      const status = await ask(...asked)
      assert.ok([statuses].flat().includes(status), `${JSON.stringify(asked)} gets ${status}`)
      assert.deepEqual(app.heads, [], JSON.stringify(asked))
    }

    async function passes(...asked: Parameters<typeof ask>): Promise<void> {
      assert.equal(await ask(...asked), fine, JSON.stringify(asked))
      assert.equal(app.heads.length, 1)
      app.heads.length = 0
    }

    it(`attack 1: no header names another path than the one that is asked for, over ${way}`, async () => {
      for (const name of ['X-Forwarded-Uri', 'X-Forwarded-Path', 'X-Original-URL', 'X-Rewrite-Url', 'Forwarded']) {
        await refuses(403, 'public', '/admin', [[name, name === 'Forwarded' ? 'path=/public' : '/public']])
        assert.equal(await ask('public', '/public/x', [[name, '/admin']]), fine)
        assert.deepEqual(app.values(name), [], name)
        app.heads.length = 0
      }
    })

    it(`attack 2: neither query nor fragment is taken for the path, over ${way}`, async () => {
      for (const path of ['/admin?x=/public', '/admin?/public', '/?/public/x']) await refuses(403, 'public', path)
      for (const path of ['/admin#/public', '/public#/../admin', '/public/%23/../admin']) {
        await refuses(400, 'public', path)
      }
      await refuses([400, 403], 'public', '/admin%23/public')
      for (const path of ['/status%23', '/status%23x', '/status%3fx', '/status#x']) await refuses(400, 'admin', path)
      await refuses(403, 'admin', '/status?x')
      await passes('admin', '/public?x=/admin')
    })

    it(`attack 3: no spelling of a path leads past a rule for it, over ${way}`, async () => {
      const spellings = [
        '/public/..%2fadmin /public/%2e%2e/admin /public/../admin /public/..%252fadmin /public/..;/admin //admin /\\admin',
        '/%5cadmin /%2fadmin /%252fadmin /.//admin /public/a%2fb/../../admin /%61dmin /%2561dmin /;x/admin',
      ].flatMap((line) => line.split(' '))
      for (const path of spellings) await refuses(400, 'admin', path)
      for (const path of ['/admin;x', '/admin/%2e', '/admin%2fx']) await refuses([400, 403], 'admin', path)
      await passes('admin', '/@scope%2fname')
      await passes('public', '/public/@scope%2fname')
    })

    it(`attack 4: looking like a health check opens nothing, over ${way}`, async () => {
      for (const agent of ['kube-probe/1.31', 'ELB-HealthChecker/2.0', 'GoogleHC/1.0', 'Consul Health Check']) {
        await refuses(401, 'private', '/healthz', [['user-agent', agent]])
        await refuses(403, 'public', '/healthz', [['user-agent', agent]])
      }
      await passes('private', '/healthz', [AUTHORIZATION])
    })

    it(`attack 5: forged identity headers satisfy no rule, whatever the method, over ${way}`, async () => {
      const forged: Fields = [
        ['Sallyport-Auth-User-Email', 'eve@corp.example'],
        ['Sallyport_Auth_User_Email', 'eve@corp.example'],
        ['Sallyport-Auth-User-Id', 'eve'],
      ]
      const preflight: Fields = [['Origin', 'http://x.example'], ['Access-Control-Request-Method', 'GET']] // prettier-ignore
      await refuses(403, 'people', '/', forged)
      await refuses(401, 'private', '/x', [...forged, ...preflight])
      for (const host of ['people.localhost', 'private.localhost']) {
        const status = await visit(way, stack.port, { host, method: 'OPTIONS', headers: [...forged, ...preflight] })
        assert.ok([401, 403].includes(status), `${host} ${status}`)
      }
      assert.deepEqual(app.heads, [])
      assert.equal(await ask('private', '/x', [...forged, AUTHORIZATION]), fine)
      assert.deepEqual(app.values('sallyport-auth-user-id'), ['ada'])
      assert.doesNotMatch(app.heads.join(), /eve/)
    })

    it(`attack 6: a host in another spelling is the same edge, and one like it is none, over ${way}`, async () => {
      for (const host of ['HOSTS.localhost', 'Hosts.LocalHost:8080', 'hosts.localhost.', 'hosts.localhost:1']) {
        assert.equal(await visit(way, stack.port, { host }), 403, host)
      }
      for (const host of ['evil-hosts.localhost', 'hosts.localhost.evil', 'xhosts.localhost', 'hosts.localhostx']) {
        assert.equal(await visit(way, stack.port, { host }), 404, host)
      }
      assert.deepEqual(app.heads, [])
    })

    it(`attack 7: a request with two hosts is refused, over ${way}`, async () => {
      const second = [['host', 'other.localhost']] as const
      assert.equal(await visit(way, stack.port, { host: 'hosts.localhost', headers: second }), 400)
      const own = [['host', 'hosts.localhost']] as const
      assert.equal(await visit(way, stack.port, { host: 'other.localhost', headers: own }), 400)
      for (const target of ['http://hosts.localhost/', 'https://hosts.localhost:443/x', 'http://other.localhost@hosts.localhost/']) {
        const status = await visit(way, stack.port, { host: 'other.localhost', path: target })
        assert.ok(REFUSED.includes(status), `${target} gets ${status}`)
      } // prettier-ignore
      assert.deepEqual(app.heads, [])
    })

    it(`attack 8: no policy answers CONNECT or TRACE, and none lets it pass, over ${way}`, async () => {
      for (const method of ['TRACE', 'CONNECT']) {
        for (const name of ['answers', 'other']) {
          const status = await methodStatus(way, method, `${name}.localhost`)
          assert.ok(REFUSED.includes(status), `${method} gets ${status}`)
        }
      }
      assert.deepEqual(app.heads, [])
    })

    it(`attack 9: the relay’s own headers mean nothing from a visitor, over ${way}`, async () => {
      const names = ['Sallyport-Internal', 'sallyport_internal', 'Sallyport-Request-Id', 'Sallyport-Error-Code']
      const internal = names.map((name) => [name, 'evil'] as const)
      await refuses(403, 'inside', '/', internal)
      assert.equal(await ask('other', '/', internal), fine)
      assert.doesNotMatch(app.heads.join(), /evil/)
    })

    it(`attack 10: no header changes the visitor’s address, over ${way}`, async () => {
      const claims = ['X-Forwarded-For', 'x_forwarded_for', 'X-Real-IP', 'Forwarded', 'True-Client-IP', 'X-Client-IP']
      for (const name of claims) {
        const header: Fields = [[name, name === 'Forwarded' ? 'for=10.0.0.1' : '10.0.0.1']]
        for (const host of ['address', 'claimed', 'listed']) await refuses(403, host, '/', header)
      }
    })

    it(`attack 11: an address rule and a sign-in on one route both hold, over ${way}`, async () => {
      for (const [host, value] of cookies) {
        const cookie = [['cookie', value]] as const
        await refuses(401, host)
        await refuses(403, host, '/', cookie, '127.0.0.2')
        await passes(host, '/', cookie)
      }
      await refuses(403, 'both', '/', [], '127.0.0.2')
      await refuses(401, 'reversed', '/', [], '127.0.0.2')
    })

    it(`attack 12: every spelling of a header counts as one, over ${way}`, async () => {
      for (const name of ['x-role', 'X_Role', 'x.role', 'X~ROLE']) {
        await refuses(403, 'roles', '/', [['x-role', 'guest'], [name, 'admin'], AUTHORIZATION]) // prettier-ignore
      }
      const spellings = ['X-Auth-User', 'X_Auth_User', 'x.auth.user', 'X-AUTH-USER'].map(
        (name) => [name, 'evil'] as const,
      )
      assert.equal(await ask('roles', '/', [...spellings, AUTHORIZATION, ['Sallyport-Auth_User.Id', 'evil']]), fine)
      assert.deepEqual(app.values('x-auth-user'), ['ours'])
      assert.deepEqual(app.values('sallyport-auth-user-id'), ['ada'])
      assert.doesNotMatch(app.heads.join(), /evil/)
    })

    it(`attack 18: a rewritten path is judged again, over ${way}`, async () => {
      await refuses(403, 'rewrites', '/to/admin')
      await refuses(403, 'rewrites', '/to/admin/x')
      for (const path of [
        '//evil.example',
        '%2fadmin',
        '%5cevil',
        '%61dmin',
        '..%2fadmin',
        '../admin',
        ';/admin',
        '.sallyport/login',
        '%2esallyport/login',
        '.sallyport',
      ]) {
        await refuses(400, 'rewrites', `/to/${path}`)
      }
      for (const more of ['//evil.example', '%23x', 'x/../../admin', '%2e%2e/admin', '.sallyport/login']) {
        await refuses([400, 403], 'rewrites', `/to/?more=${more}`)
      }
      assert.equal(await ask('rewrites', '/to/x?more=%0d%0aX-Evil:1%20HTTP/1.1'), fine)
      assert.match(
        app.heads.join(),
        /^GET \/x%0D%0AX-Evil:1%20HTTP\/1\.1\?more=%0d%0aX-Evil:1%20HTTP\/1\.1 HTTP\/1\.1\r\n/,
      )
      assert.deepEqual(app.values('x-evil'), [])
      app.heads.length = 0
      assert.equal(await ask('rewrites', '/to/fine?x'), fine)
      assert.match(app.heads.join(), /^GET \/fine\?x HTTP\/1\.1\r\n/)
    })

    it(`attack 37: an agent gets no request of an edge that its authtoken does not permit, over ${way}`, async () => {
      for (const name of ['joined', 'team', 'vault']) await refuses(503, name)
      await refuses(503, 'evil')
      assert.deepEqual(evil.streams, [], 'the agent has got nothing')
      await passes('safe')
    })
  }

  /** The status of an unusual method, which may also ask for an upgrade. */
  async function methodStatus(way: (typeof WAYS)[number], method: string, host: string): Promise<number> {
    if (way === 'HTTP/2') return http2Status(method, host)
    const target = method === 'CONNECT' ? `${host}:80` : '/'
    const upgrade =
      way === 'an upgrade' ? 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' : ''
    const visitor = new RawClient(stack.port)
    visitor.write(`${method} ${target} HTTP/1.1\r\nHost: ${host}\r\n${upgrade}\r\n`)
    const answer = await visitor.until(/^HTTP\/1\.1 \d+/)
    visitor.close()
    return Number(answer.slice(9, 12))
  }

  /** RFC 9113 8.5: CONNECT has neither scheme nor path. */
  async function http2Status(method: string, host: string): Promise<number> {
    if (method !== 'CONNECT') return visit('HTTP/2', stack.port, { host, method })
    const visitor = new RawHttp2(stack.port)
    visitor.write(http2Request(1, [[':method', method], [':authority', `${host}:80`]])) // prettier-ignore
    const status = Number(await visitor.answer(1))
    visitor.close()
    return status
  }
})

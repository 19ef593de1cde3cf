// Endpoints that agents bring along (`agent http`): whose a host is, who may share it, when it goes, and what a hostile
// agent may not do with a policy. Relay and agents in this process, real sockets between them; sign-in with a real
// provider is in e2e/agent-http.test.ts.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { get as httpGet } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { after, afterEach, before, describe, it } from 'node:test'
import { gunzipSync } from 'node:zlib'

import { startAgent } from '@sallyport/agent'
import type { Agent, TunnelOptions } from '@sallyport/agent'
import { AGENT_PATH, SUBPROTOCOL } from '@sallyport/protocol'
import type { ControlMessage } from '@sallyport/protocol'
import { createLog, redirectUri } from '@sallyport/server'

import { HandAgent } from '../support/hand-agent.ts'
import { RawClient } from '../support/raw-client.ts'
import { webSocketRequest } from '../support/raw-web-socket.ts'
import { APP_HOST, httpApp, startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'

type EndpointOptions = NonNullable<TunnelOptions['endpoint']>

/** Represents a nest of lists that JSON.stringify could not write. */
const DEEP = 'a deep nest'
const SIGN_IN = { oidc: 'http://idp.localhost:9', oidcClientId: 'x', oidcClientSecret: 'a very secret secret' }

describe('endpoints of agents', { timeout: 60_000 }, () => {
  let stack: Stack
  let token: string
  /** The requests that have reached the app. */
  let asked = 0
  const agents: Agent[] = []
  const hands: HandAgent[] = []

  before(async () => {
    const app = httpApp((request, response) => {
      asked += 1
      response.setHeader('Clear-Site-Data', '"cache", "cookies"')
      response.end(`${request.headers['x-agent']?.toString() ?? 'nobody'}`)
    })
    stack = await startStack({
      app,
      edges: `
- { id: edg_app, hosts: [${APP_HOST}] }
- { id: edg_wild, hosts: ["*.wild.localhost"] }
- id: edg_shared
  hosts: [docs.apps.shared.localhost]
  policy:
    on_http_request:
      - actions:
          - type: openid-connect
            config: { issuer_url: "${SIGN_IN.oidc}", client_id: x, auth_cookie_domain: apps.shared.localhost }`,
    })
    token = (await stack.relay.authtokens.create({ acl: [] })).token
  })
  after(() => stack.close())
  afterEach(async () => {
    for (const agent of agents.splice(0)) await agent.close({ deadlineMs: 1000 })
    for (const agent of hands.splice(0)) agent.close()
    assert.equal((await visit(APP_HOST)).statusCode, 200, 'the relay lives')
  })

  async function visit(host: string, headers: Record<string, string> = {}, path = '/'): Promise<IncomingMessage> {
    const options = { port: stack.port, host: '127.0.0.1', path, headers: { ...headers, host }, agent: false }
    const request = httpGet(options)
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    return response
  }

  function launch(endpoint: EndpointOptions, with_ = token): Agent {
    const agent = startAgent({
      server: `http://127.0.0.1:${stack.port}`,
      authtoken: with_,
      log: createLog({ level: 'silent' }),
      tunnels: [{ upstream: `http://127.0.0.1:${stack.appPort}`, endpoint }],
    })
    agents.push(agent)
    return agent
  }

  /** Starts an agent and returns the host it has got. */
  async function start(endpoint: EndpointOptions, with_ = token): Promise<{ agent: Agent; host: string }> {
    const agent = launch(endpoint, with_)
    const refused = agent.closed.then((error) => Promise.reject(error ?? new Error('closed')))
    await Promise.race([once(agent, 'online'), refused])
    refused.catch(() => {}) // it ends with the test
    const [url = ''] = agent.status.tunnels[0]?.endpoints ?? []
    return { agent, host: new URL(url).hostname }
  }

  async function refusalOf(endpoint: EndpointOptions, with_ = token): Promise<string> {
    return String((await launch(endpoint, with_).closed)?.message)
  }

  /** An agent by hand, and the relay's answer to its bind. */
  async function bindByHand(fields: object, with_ = token, instance = 'hand-agent-1'): Promise<ControlMessage> {
    const hand = await HandAgent.connect(stack, with_)
    hands.push(hand)
    hand.hello({ instance_id: instance })
    await hand.next('welcome')
    const message = JSON.stringify({ type: 'bind', tunnel_id: 1, forwards_to: 'http://localhost:1', ...fields })
    hand.sendText(message.replace(JSON.stringify(DEEP), `${'['.repeat(20_000)}${']'.repeat(20_000)}`))
    return Promise.race([hand.next('bound'), hand.next('refused')])
  }

  async function assertNobodyThere(host: string): Promise<void> {
    const before_ = asked
    const response = await visit(host)
    assert.equal(response.headers['sallyport-error-code'], 'ERR_EDGE_NOT_FOUND')
    assert.equal(asked, before_)
  }

  describe('the host', () => {
    it('lets visitors pass by their User-Agent, and reports a flag that is no pattern', async () => {
      const { host } = await start({ uaFilterAllow: ['^curl/', 'Mozilla'], uaFilterDeny: ['(?i)bot'] })
      for (const [agent, status] of [
        ['curl/8', 200],
        ['Mozilla', 200],
        ['Mozilla GoogleBot', 403],
        ['wget', 403],
      ] as const) {
        const before = asked
        assert.equal((await visit(host, { 'user-agent': agent })).statusCode, status, agent)
        assert.equal(asked - before, status === 200 ? 1 : 0)
      }
      assert.equal((await visit(host)).statusCode, 403, 'without any')
      const refused = await launch({ uaFilterDeny: ['(?=a)'] }).closed
      assert.ok(refused && 'problems' in refused)
      assert.match(JSON.stringify(refused.problems), /"--ua-filter-deny".*not a regular expression of RE2/)
    })

    it('is an unguessable one below the domain, the same on all connections of the agent', async () => {
      const { agent, host } = await start({})
      assert.match(host, /^[a-z2-7]{16}\.localhost$/)
      assert.equal(await text(await visit(host)), 'nobody')
      assert.equal((await visit(host.toUpperCase())).statusCode, 200)
      const other = await start({})
      assert.notEqual(other.host, host)
      assert.equal(agent.status.state, 'online')
      await assertNobodyThere(`x${host}`)
      await assertNobodyThere(`x.${host}`)
    })

    it('is the wanted one, by URL or by name', async () => {
      assert.equal((await start({ url: 'http://Wanted.localhost' })).host, 'wanted.localhost')
      assert.equal((await start({ domain: 'deep.wanted.localhost' })).host, 'deep.wanted.localhost')
      assert.equal((await visit('wanted.localhost')).statusCode, 200)
      await assertNobodyThere('other.wanted.localhost')
    })

    it('comes with the id of its edge and the list of visitors, as configured ones do (the first hour, 16)', async () => {
      const policy = { on_http_request: [{ actions: [{ type: 'restrict-ips', config: { allow: ['127.0.0.0/8'] } }] }] }
      const own = await bindByHand({ url: 'wanted.localhost', policy })
      assert.ok(own.type === 'bound')
      const { edge_id: id = '', visitors } = own.edges?.[0] ?? {}
      assert.match(id, /^edg_[0-9a-f]{24}$/)
      assert.deepEqual(visitors, ['from 127.0.0.0/8'])
      const labelled = await bindByHand({ labels: [['edge', 'edg_app']] })
      assert.deepEqual(labelled.type === 'bound' && labelled.edges, [{ edge_id: 'edg_app', visitors: ['everybody'] }])
      const nowhere = await bindByHand({ labels: [['edge', 'edg_none']] })
      assert.deepEqual(nowhere.type === 'bound' && nowhere.edges, [])
    })

    it('comes with the older forms of its policy, for the person at the agent, once (traffic policy, 7)', async () => {
      const policy = { inbound: [{ expressions: ['conn.ClientIP == ""'], actions: [{ type: 'deny' }] }] }
      const fields = { url: 'older.localhost', policy, pooling: true }
      const first = await bindByHand(fields)
      assert.ok(first.type === 'bound')
      assert.deepEqual(first.remarks?.[0], {
        path: ['inbound'],
        message: 'is the older name of on_http_request; write that',
      })
      assert.deepEqual(first.remarks?.[1]?.path, ['inbound', 0, 'expressions', 0])
      assert.match(first.remarks?.[1]?.message ?? '', /^conn\.ClientIP is an older name; write conn\.client_ip/)
      const further = await bindByHand(fields)
      assert.ok(further.type === 'bound' && further.remarks === undefined, 'a further connection')
      const text = 'inbound: [{ expressions: [\'conn.ClientIP == ""\'], actions: [{ type: deny }] }]'
      const { agent, host } = await start({ trafficPolicy: { text, source: 'policy.yaml' } })
      assert.equal((await visit(host)).statusCode, 200)
      assert.deepEqual(
        agent.status.messages.map(({ level, text: said }) => `${level} ${said}`.replace(/ \(char.*/, '')),
        [
          'warn policy.yaml:1:1 inbound: is the older name of on_http_request; write that',
          'warn policy.yaml:1:27 inbound[0].expressions[0]: conn.ClientIP is an older name; write conn.client_ip',
        ],
      )
    })

    it('S12: is refused at, below and above a domain under which edges share sessions', async () => {
      for (const host of [
        'evil.apps.shared.localhost',
        'a.b.apps.shared.localhost',
        'apps.shared.localhost',
        'shared.localhost',
      ]) {
        const refused = await bindByHand({ url: host })
        assert.ok(refused.type === 'refused' && refused.code === 'bind_invalid' && !refused.retryable, host)
        assert.match(refused.reason, /share sessions under apps\.shared\.localhost \(auth_cookie_domain\)/)
        await assertNobodyThere(host)
      }
      for (const host of ['other.shared.localhost', 'xapps.shared.localhost']) {
        assert.equal((await bindByHand({ url: host })).type, 'bound', host)
      }
    })

    it('attack 37: is refused if the authtoken does not permit exactly it', async () => {
      const narrow = await stack.relay.authtokens.create({
        acl: ['bind:mine.localhost', 'bind:*.team.localhost', 'bind:edge=stolen.localhost'],
      })
      for (const host of [
        'stolen.localhost',
        'xmine.localhost',
        'mine.localhost.evil',
        'mine.localhostx',
        'team.localhost',
        'x.mine.localhost',
        'constructor.localhost',
        'constructor',
      ]) {
        const refused = await bindByHand({ url: host }, narrow.token)
        assert.ok(refused.type === 'refused' && refused.code === 'bind_not_permitted' && !refused.retryable, host)
        await assertNobodyThere(host)
      }
      assert.match(await refusalOf({}, narrow.token), /permits no random host below localhost.*--url/)
      assert.equal((await start({ domain: 'mine.localhost' }, narrow.token)).host, 'mine.localhost')
      assert.equal((await start({ domain: 'a.team.localhost' }, narrow.token)).host, 'a.team.localhost')
    })

    it('attack 37: is refused to an authtoken for everything if it is not below the domain', async () => {
      for (const host of ['127.0.0.1', 'localhost', 'example.com', 'evillocalhost']) {
        const refused = await bindByHand({ url: host })
        assert.ok(refused.type === 'refused' && refused.code === 'bind_not_permitted', host)
      }
    })

    it('is never the relay’s own, or one that the configuration covers', async () => {
      for (const [url, why] of [
        ['http://relay.localhost', /own host/],
        [`http://${APP_HOST}`, /configuration/],
        ['any.wild.localhost', /configuration/],
      ] as const) {
        const refused = await bindByHand({ url })
        assert.ok(refused.type === 'refused' && why.test(refused.reason) && !refused.retryable, url)
      }
      assert.equal(await text(await visit(APP_HOST)), 'nobody')
    })

    it('hardening: still admits agents who reach the relay by it', async () => {
      const connects = async (host: string): Promise<boolean> => {
        const lines = [`Authorization: Bearer ${token}`, `Sec-WebSocket-Protocol: ${SUBPROTOCOL}`]
        const visitor = new RawClient(stack.port)
        visitor.write(webSocketRequest(host, lines, AGENT_PATH))
        const answer = await visitor.until(/^HTTP\/1\.1 \d+/)
        visitor.close()
        return answer.startsWith('HTTP/1.1 101')
      }
      assert.equal(await connects('tunnel.localhost'), true)
      assert.equal((await start({ domain: 'tunnel.localhost' })).host, 'tunnel.localhost')
      assert.equal(await text(await visit('tunnel.localhost')), 'nobody')
      assert.equal(await connects('tunnel.localhost'), true)
      for (const host of [APP_HOST, 'any.wild.localhost']) assert.equal(await connects(host), false, host)
    })

    it('is one that a browser could ask for', async () => {
      for (const url of [
        'https://name.localhost',
        'http://name.localhost:81',
        'http://name.localhost/path',
        'http://user@name.localhost',
        'ftp://name.localhost',
        '*.localhost',
        'http://*.localhost',
        'name.localhost:80',
        'name.localhost.',
        'a/../b.localhost',
        '__proto__.localhost',
        'na me.localhost',
        'na\u0000me.localhost',
        'nämé.localhost',
        '-.localhost',
        `${'x'.repeat(64)}.localhost`,
        `${'x.'.repeat(500)}localhost`,
        'http://',
        '//name.localhost',
      ]) {
        const refused = await bindByHand({ url })
        assert.ok(refused.type === 'refused' && refused.code === 'bind_invalid', `${url}: ${JSON.stringify(refused)}`)
      }
    })
  })

  describe('a second agent', () => {
    it('is refused and told why, and the first one serves on', async () => {
      const first = await start({ domain: 'one.localhost' })
      assert.match(await refusalOf({ domain: 'one.localhost' }), /another agent serves .*start both with --pooling/)
      assert.match(await refusalOf({ domain: 'one.localhost', pooling: true }), /that one was not started with/)
      assert.equal(first.agent.status.state, 'online')
      assert.equal((await visit('one.localhost')).statusCode, 200)
    })

    it('shares the visitors if both pool with the same policy', async () => {
      const flags = { domain: 'pool.localhost', pooling: true, cidrAllow: ['127.0.0.0/8'] }
      await start({ ...flags, requestHeaderAdd: ['X-Agent: both'] })
      await start({ ...flags, requestHeaderAdd: ['X-Agent: both'] })
      const before_ = tunnelsIn(stack.log)
      for (let count = 0; count < 4; count++) assert.equal(await text(await visit('pool.localhost')), 'both')
      assert.equal(new Set(tunnelsIn(stack.log).slice(before_.length)).size, 2, 'both were asked')
      const different = await refusalOf({ ...flags, requestHeaderAdd: ['X-Agent: else'] })
      assert.match(different, /with another policy/)
      assert.match(await refusalOf({ ...flags, pooling: false }), /start both with --pooling-enabled/)
    })

    it('cannot share by claiming to be the first one, with another policy', async () => {
      const fields = { url: 'same.localhost', pooling: false }
      assert.equal((await bindByHand(fields)).type, 'bound')
      assert.equal((await bindByHand(fields)).type, 'bound', 'a second connection of the same agent')
      const forged = await bindByHand({ ...fields, policy: { on_http_request: [] } })
      assert.ok(forged.type === 'refused' && /another agent/.test(forged.reason))
    })

    it('takes over from one that was cut off without a word', async () => {
      assert.equal((await bindByHand({ url: 'frozen.localhost' })).type, 'bound')
      hands.at(-1)?.freeze()
      const { agent } = await start({ domain: 'frozen.localhost' })
      assert.equal(await text(await visit('frozen.localhost')), 'nobody')
      assert.equal(agent.status.state, 'online')
    })

    it('with other labels cannot get the visitors', async () => {
      await start({ domain: 'alone.localhost' })
      const refused = await bindByHand({ labels: [['=endpoint', 'alone.localhost']] })
      assert.ok(refused.type === 'refused' && refused.code === 'bind_invalid')
    })
  })

  describe('the reservation', () => {
    it('keeps a host for its authtoken, whatever another one may bind', async () => {
      const { agent } = await start({ domain: 'kept.localhost' })
      const other = await stack.relay.authtokens.create({ acl: ['bind:*'] })
      assert.match(await refusalOf({ domain: 'kept.localhost', pooling: true }, other.token), /another authtoken/)
      await agent.close()
      assert.match(await refusalOf({ domain: 'kept.localhost' }, other.token), /another authtoken/)
      assert.equal((await start({ domain: 'kept.localhost' })).host, 'kept.localhost')
    })

    it('ends with the authtoken', async () => {
      const old = await stack.relay.authtokens.create({ acl: [] })
      const { agent } = await start({ domain: 'rotated.localhost' }, old.token)
      await stack.relay.authtokens.revoke(old.id)
      assert.equal((await agent.closed)?.code, 'authtoken_refused')
      assert.equal((await start({ domain: 'rotated.localhost' })).host, 'rotated.localhost')
    })

    it('answers that no tunnel is online while the agent is away', async () => {
      const { agent, host } = await start({})
      await agent.close()
      const response = await visit(host)
      assert.equal(response.statusCode, 503)
      const page = await text(response)
      assert.match(page, /The agent that serves this address is not connected/)
      assert.doesNotMatch(page, /=endpoint|--label/)
    })

    it('takes the new policy of a restarted agent', async () => {
      const first = await start({ domain: 'changed.localhost', responseHeaderAdd: ['X-Version: one'] })
      assert.equal((await visit('changed.localhost')).headers['x-version'], 'one')
      await first.agent.close()
      await start({ domain: 'changed.localhost', responseHeaderAdd: ['X-Version: two'], cidrDeny: ['192.0.2.0/24'] })
      assert.equal((await visit('changed.localhost')).headers['x-version'], 'two')
    })
  })

  describe('the policy', () => {
    it('works as in a route of relay.yml', async () => {
      await start({ domain: 'closed.localhost', cidrDeny: ['127.0.0.0/8'] })
      const before_ = asked
      const response = await visit('closed.localhost')
      assert.equal(response.headers['sallyport-error-code'], 'ERR_IP_RESTRICTED')
      assert.equal(asked, before_)
    })

    it('hardening: clears no cookies of other hosts, whatever its app or its policy says', async () => {
      await start({ domain: 'clears.localhost' })
      await start({ domain: 'adds.localhost', responseHeaderAdd: ['Clear-Site-Data: "*"', 'X-Added: yes'] })
      assert.equal((await visit('clears.localhost')).headers['clear-site-data'], undefined)
      const { headers } = await visit('adds.localhost')
      assert.deepEqual([headers['clear-site-data'], headers['x-added']], [undefined, 'yes'])
      assert.equal(
        (await visit(APP_HOST)).headers['clear-site-data'],
        '"cache", "cookies"',
        'an edge of the operator may',
      )
    })

    it('has answers compressed for visitors (traffic policy, --compression)', async () => {
      await start({ domain: 'small.localhost', compression: true, responseHeaderAdd: ['Content-Type: text/plain'] })
      const said = 'again '.repeat(500).trim()
      const response = await visit('small.localhost', { 'x-agent': said, 'accept-encoding': 'gzip' })
      assert.equal(response.headers['content-encoding'], 'gzip')
      const chunks: Buffer[] = []
      for await (const chunk of response) chunks.push(chunk as Buffer) // it has no encoding
      assert.equal(gunzipSync(Buffer.concat(chunks)).toString(), said)
    })

    it('asks visitors to sign in, and the relay names the URI to register', async () => {
      const { agent, host } = await start(SIGN_IN)
      assert.equal(agent.status.tunnels[0]?.redirectUri, redirectUri('http://relay.localhost', SIGN_IN.oidc))
      const before_ = asked
      assert.equal((await visit(host)).statusCode, 401)
      assert.equal(asked, before_)
      assert.doesNotMatch(stack.log.join(''), /a very secret secret/)
    })

    it('answers at ngrok’s paths with a sign-in, and leaves them to the app without one (traffic policy, 14.15)', async () => {
      const [signedIn, open] = [await start(SIGN_IN), await start({})]
      const before_ = asked
      const login = await visit(signedIn.host, {}, '/ngrok/login?redirect_path=/a&auth_id=b')
      assert.equal(login.statusCode, 303)
      assert.equal(login.headers.location, '/.sallyport/login?auth_id=b&return_to=%2Fa')
      assert.equal((await visit(signedIn.host, {}, '/ngrok/logout')).headers.location, '/.sallyport/logout')
      assert.equal(asked, before_)
      assert.equal((await visit(open.host, {}, '/ngrok/login')).statusCode, 200)
      assert.equal(asked, before_ + 1)
    })

    it('of --oauth without a client is refused with the URI to register, by its flag (traffic policy, oauth)', async () => {
      const problemOf = async (endpoint: EndpointOptions): Promise<string> => {
        const error = await launch(endpoint).closed
        assert.ok(error && 'problems' in error, String(error))
        const [problem] = error.problems as { path: string; message: string }[]
        return `${problem?.path} ${problem?.message}`
      }
      const unregistered = await problemOf({ oauth: 'google', maxSessionDuration: '8h' })
      const uri = redirectUri('http://relay.localhost', 'https://accounts.google.com')
      assert.ok(unregistered.startsWith('--oauth-client-id ') && unregistered.includes(uri), unregistered)
      const client = { oauthClientId: 'x' }
      assert.match(await problemOf({ oauth: 'github', ...client }), /^--oauth github is not an OpenID provider/)
      assert.match(await problemOf({ oauth: 'microsoft', ...client }), /^--oauth-tenant is missing/)
      const soon = await problemOf({ oauth: 'google', ...client, idleSessionDuration: 'soon' })
      assert.match(soon, /^--idle-session-duration "soon" is not a duration/)
    })

    it('lets nobody pass without the password', async () => {
      const { host } = await start({ basicAuth: ['ada:a very secret secret'] })
      const before_ = asked
      const response = await visit(host)
      assert.equal(response.statusCode, 401)
      assert.match(String(response.headers['www-authenticate']), /^Basic /)
      assert.equal(asked, before_)
      const authorization = `Basic ${Buffer.from('ada:a very secret secret').toString('base64')}`
      assert.equal((await visit(host, { authorization })).statusCode, 200)
      assert.doesNotMatch(stack.log.join(''), /a very secret secret/)
      assert.match(await refusalOf({ basicAuth: ['ada:short'] }), /a problem/)
    })

    it('is refused with every problem, by its flag', async () => {
      const error = await launch({
        oidc: 'http://login.example.com',
        oidcClientId: 'x',
        oidcAllowEmails: ['ada'],
        cidrAllow: ['10.0.0.0/99'],
        requestHeaderAdd: ['Upgrade: x'],
      }).closed
      assert.ok(error && 'problems' in error, String(error))
      const problems = error.problems as { path: string; message: string }[]
      assert.deepEqual(problems.map(({ path }) => path).toSorted(), [
        '--cidr-allow',
        '--oidc',
        '--oidc-allow-email',
        '--request-header-add',
      ])
    })

    const step = (type: string, config: unknown): unknown => ({ on_http_request: [{ actions: [{ type, config }] }] })
    const hostile: Record<string, unknown> = {
      'an unknown key': { on_http_request: [], also: 1 },
      'a __proto__': JSON.parse('{"__proto__": {"on_http_request": []}}'),
      'a constructor': { constructor: { prototype: { polluted: true } } },
      'a __proto__ in a step': JSON.parse('{"on_http_request": [{"actions": [], "__proto__": {"polluted": true}}]}'),
      'a list in its place': [],
      'a text in its place': 'allow everything',
      'nothing but null': null,
      'an unknown step': step('allow-all', {}),
      'a deep nest': DEEP,
      'a deep nest inside': step('add-headers', { headers: DEEP }),
      'a header that frames': step('add-headers', { headers: { 'Transfer-Encoding': 'chunked' } }),
      'a header that claims an identity': step('add-headers', { headers: { 'Sallyport-Auth-User-Id': 'root' } }),
      'an answer that clears other hosts': step('custom-response', { headers: { 'clear-site.data': '"*"' } }),
      'an answer that sets a cookie of the relay': step('custom-response', {
        headers: { 'Set-Cookie': ' __Host-sallyport.x.session=1' },
      }),
      'a header that breaks the line': step('add-headers', { headers: { 'X-A': 'a\r\nX-B: b' } }),
      'an issuer inside the network, in clear': step('openid-connect', {
        issuer_url: 'http://10.0.0.1',
        client_id: 'x',
      }),
      'a file as issuer': step('openid-connect', { issuer_url: 'file:///etc/passwd', client_id: 'x' }),
      'a parameter of the relay': step('openid-connect', {
        issuer_url: 'https://login.example.com',
        client_id: 'x',
        authz_url_params: { redirect_uri: 'https://evil.example.com' },
      }),
      'a size beyond the limit': step('add-headers', {
        headers: Object.fromEntries(Array.from({ length: 7 }, (_, index) => [`X-${index}`, 'x'.repeat(8000)])),
      }),
      'unknown keys that grow where they are told': Object.fromEntries(
        Array.from({ length: 64 }, (_, index) => [`${index}${'\u0001'.repeat(160)}`, 1]),
      ),
      'a thousand wrong steps': { on_http_request: Array.from({ length: 1000 }, () => ({ actions: [] })) },
    }
    for (const [what, policy] of Object.entries(hostile)) {
      it(`attack 37: is refused with ${what}, without harm`, async () => {
        const refused = await bindByHand({ url: 'hostile.localhost', policy })
        assert.ok(refused.type === 'refused' && refused.code === 'bind_invalid' && !refused.retryable, refused.type)
        assert.ok((refused.problems?.length ?? 0) <= 64)
        assert.equal(({} as Record<string, unknown>)['polluted'], undefined)
        await assertNobodyThere('hostile.localhost')
      })
    }

    it('expands no variable of the relay’s environment', async () => {
      const error = await launch({ domain: 'env.localhost', responseHeaderAdd: ['X-Path: ${PATH}'] }).closed
      assert.ok(error && 'problems' in error, String(error))
      const [problem] = error.problems as { path: string; message: string }[]
      assert.equal(problem?.path, '--response-header-add')
      assert.match(String(problem?.message), /^there is no variable PATH.*the environment is not read here/)
    })
  })

  it('disappears if it is unbound before it is online', async () => {
    const hand = await HandAgent.connect(stack, token)
    hands.push(hand)
    hand.hello()
    hand.send({ type: 'bind', tunnel_id: 1, url: 'hasty.localhost', forwards_to: 'http://localhost:1' })
    hand.send({ type: 'unbind', tunnel_id: 1 })
    await hand.next('unbound')
    hand.send({ type: 'bind', tunnel_id: 2, url: 'calm.localhost', forwards_to: 'http://localhost:1' })
    await hand.next('bound')
    await assertNobodyThere('hasty.localhost')
  })
})

describe('endpoints under the operator’s rules', { timeout: 60_000 }, () => {
  it('have visitors sign in if require_sign_in says so', async () => {
    const stack = await startStack({
      app: httpApp((_, response) => response.end('fine')),
      config: 'require_sign_in: true\nlimits: { endpoints_per_authtoken: 2 }',
    })
    const hands: HandAgent[] = []
    try {
      const { token } = await stack.relay.authtokens.create({ acl: [] })
      const bind = async (fields: object): Promise<ControlMessage> => {
        const hand = await HandAgent.connect(stack, token)
        hands.push(hand)
        hand.hello({ instance_id: `hand-agent-${hands.length}` })
        hand.send({ type: 'bind', tunnel_id: 1, forwards_to: 'http://localhost:1', ...fields })
        return Promise.race([hand.next('bound'), hand.next('refused')])
      }
      const off = { enabled: false, inbound: [{ actions: [{ type: 'oidc' }] }] } // an older form: no policy
      for (const policy of [undefined, { on_http_request: [{ actions: [{ type: 'deny' }] }] }, {}, off]) {
        const refused = await bind({ url: '', policy })
        assert.ok(refused.type === 'refused' && refused.code === 'bind_not_permitted', JSON.stringify(refused))
        assert.match(refused.reason, /--oidc/)
      }
      const config = { issuer_url: 'http://idp.localhost:9', client_id: 'x' }
      const signIn = { type: 'openid-connect', config }
      // A sign-in that a condition can pass over is none.
      const sometimes = { on_http_request: [{ expressions: ["req.method == 'PUT'"], actions: [signIn] }] }
      const passedOver = await bind({ url: '', policy: sometimes })
      assert.ok(passedOver.type === 'refused' && passedOver.code === 'bind_not_permitted', JSON.stringify(passedOver))
      // Nor is one behind an action that answers by itself.
      const away = { type: 'redirect', config: { from: '/(.*)', to: 'https://away.example/$1' } }
      const answered = await bind({ url: '', policy: { on_http_request: [{ actions: [away, signIn] }] } })
      assert.ok(answered.type === 'refused' && answered.code === 'bind_not_permitted', JSON.stringify(answered))
      const wrong = await bind({
        url: '',
        policy: { on_http_request: [{ expressions: ['req.nothing'], actions: [signIn] }] },
      })
      assert.ok(wrong.type === 'refused' && wrong.code === 'bind_invalid', JSON.stringify(wrong))
      assert.deepEqual(wrong.problems?.[0]?.path, ['on_http_request', 0, 'expressions', 0])
      const policy = { on_http_request: [{ actions: [signIn] }] }
      // An authtoken has a limited number of hosts; one whose agent has left makes room.
      for (const url of ['one.localhost', 'two.localhost']) assert.equal((await bind({ url, policy })).type, 'bound')
      const [one] = hands.slice(-2)
      const full = await bind({ url: 'three.localhost', policy })
      assert.ok(full.type === 'refused' && /2 endpoints/.test(full.reason))
      one?.send({ type: 'unbind', tunnel_id: 1 })
      await one?.next('unbound')
      assert.equal((await bind({ url: 'three.localhost', policy })).type, 'bound')
    } finally {
      for (const hand of hands) hand.close()
      await stack.close()
    }
  })
})

/** The tunnel of every exchange that the relay has logged. */
function tunnelsIn(log: readonly string[]): string[] {
  return log.flatMap((line) => {
    const { tunnelId, status } = JSON.parse(line) as { tunnelId?: string; status?: number } // our own log
    return tunnelId !== undefined && status !== undefined ? [tunnelId] : []
  })
}

// Values that expressions read beside an exchange: the operator's region, secrets, databases and lists of addresses. In each of
// the ways that visitors can come; real relay, agent and sockets.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'

import { startAgent } from '@sallyport/agent'
import type { AgentOptions } from '@sallyport/agent'
import { createLog, loadLanguage, parseConfig } from '@sallyport/server'

import { mmdbFile } from '../support/mmdb-file.ts'
import { RecordingApp } from '../support/recording-app.ts'
import { startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'
import { WAYS } from '../support/three-ways.ts'
import { valuesOf, wholeAnswer } from '../support/whole-answer.ts'

const action = (type: string, config: object): object => ({ actions: [{ type, config }] })
const edge = (name: string, policy: object): string =>
  JSON.stringify({ id: `edg_${name}`, hosts: [`${name}.localhost`], backend: { labels: { edge: 'edg_app' } }, policy })

const SECRET = 's3cret-of-the-shop'
const NETWORKS = {
  '192.0.2.0/24': { country: { iso_code: 'DE', is_in_european_union: true }, city: { names: { en: 'Berlin' } } },
  '198.51.100.0/24': { country: { iso_code: 'XX' } },
}
const ASN = { '192.0.2.0/24': { autonomous_system_number: 64_500, autonomous_system_organization: 'Example' } }
/** Visitors choose their address by X-Forwarded-For. */
const configIn = (folder: string): string => `
region: eu
secrets: { shop: { token: ${SECRET} } }
trusted_proxies: [127.0.0.1/32]
geo: { city_file: ${folder}/city.mmdb, asn_file: ${folder}/asn.mmdb }
ip_policies: { ipp_office: { allow: [192.0.2.0/24] }, ipp_bad: { deny: [192.0.2.66] } }
ip_lists: { blocklist: ${folder}/block.txt, tor: ${folder}/tor.txt, customers: ${folder}/customers.txt }
`
const HAS_TOKEN = "getReqHeader('x-token').exists(t, t == secrets.get('shop', 'token'))"
const EDGES = [
  edge('token', {
    on_http_request: [
      { expressions: [`!(${HAS_TOKEN})`], actions: [{ type: 'deny' }] },
      action('set-headers', { headers: { 'X-Region': '${conn.server_region}' } }),
    ],
  }),
  edge('chosen', {
    on_http_request: [action('set-headers', { headers: { 'X-Got': "${secrets.get(getQueryParam('v')[0], getQueryParam('n')[0])}" } })], // prettier-ignore
  }),
  edge('geo', {
    on_http_request: [
      { expressions: ["conn.geo.country_code in ['XX']"], actions: [{ type: 'deny' }] },
      action('set-headers', { headers: { 'X-Place': "${conn.client_ip.geo.location.city}/${conn.client_ip.as.number}/${conn.client_ip.geo.location.is_eu}" } }), // prettier-ignore
    ],
  }),
  edge('guarded', {
    on_http_request: [{ expressions: ["!has(conn.geo.country_code) || conn.geo.country_code != 'DE'"], actions: [{ type: 'deny' }] }], // prettier-ignore
  }),
  edge('office', {
    on_http_request: [action('restrict-ips', { allow: ['203.0.113.1'], ip_policies: ['ipp_office', 'ipp_bad'] })],
  }),
  edge('lists', {
    on_http_request: [
      { expressions: ['conn.client_ip.is_on_blocklist || conn.client_ip.is_tor_node'], actions: [{ type: 'deny' }] },
      action('set-headers', { headers: { 'X-Lists': "${conn.client_ip.categories.join(',')}" } }),
    ],
  }),
]

describe('values that expressions read beside an exchange (traffic policy, 6, 13, 14.5)', { timeout: 60_000 }, () => {
  let stack: Stack
  let folder: string
  const app = new RecordingApp()
  before(async () => {
    await loadLanguage()
    folder = await mkdtemp(join(tmpdir(), 'sallyport-sources-'))
    for (const [name, content] of Object.entries({
      'city.mmdb': mmdbFile({ networks: NETWORKS }),
      'asn.mmdb': mmdbFile({ networks: ASN, type: 'GeoLite2-ASN' }),
      'block.txt': '203.0.113.1\n',
      'tor.txt': '203.0.113.2 # an exit\n',
      'customers.txt': '192.0.2.0/24\n',
    })) {
      await writeFile(join(folder, name), content)
    }
    const edges = EDGES.map((each) => `- ${each}`).join('\n')
    stack = await startStack({ app: app.server, edges, config: configIn(folder), listen: 'http2: all' })
  })
  after(async () => {
    await stack.close()
    await rm(folder, { recursive: true, force: true })
  })

  for (const way of WAYS) {
    const passes = way === 'an upgrade' ? 101 : 200
    const ask = (name: string, path = '/', headers: [string, string][] = []) => {
      app.heads.length = 0
      return wholeAnswer(way, stack.port, { host: `${name}.localhost`, path, headers })
    }

    it(`has the region and the secrets of relay.yml, over ${way}`, async () => {
      for (const tokens of [[], ['S3cret-of-the-shop'], ['']]) {
        const refused = await ask(
          'token',
          '/',
          tokens.map((token) => ['X-Token', token]),
        )
        assert.deepEqual([refused.status, app.heads], [403, []], String(tokens))
      }
      assert.equal((await ask('token', '/', [['X-Token', SECRET]])).status, passes)
      assert.deepEqual(app.values('x-region'), ['eu'])
    })

    it(`refuses a request if a secret is missing, over ${way}`, async () => {
      for (const query of ['v=shop&n=other', 'v=other&n=token', 'v=constructor&n=name', 'v=shop&n=__proto__']) {
        const answer = await ask('chosen', `/?${query}`)
        assert.deepEqual([answer.status, valuesOf(answer, 'sallyport-error-code')], [500, ['ERR_EXPRESSION_FAILED']])
        assert.deepEqual(app.heads, [], 'nothing reaches the app')
      }
      assert.equal((await ask('chosen', '/?v=shop&n=token')).status, passes)
      assert.deepEqual(app.values('x-got'), [SECRET])
    })

    const from = (name: string, address: string) => ask(name, '/', [['X-Forwarded-For', address]])

    it(`knows place and network of an address; a condition on an unknown one refuses, over ${way}`, async () => {
      assert.equal((await from('geo', '192.0.2.7')).status, passes)
      assert.deepEqual(app.values('x-place'), ['Berlin/64500/true'])
      assert.deepEqual([(await from('geo', '198.51.100.7')).status, app.heads], [403, []])
      for (const address of ['203.0.113.7', '2001:db8::1', 'unknown', '_hidden']) {
        const answer = await from('geo', address)
        assert.deepEqual([answer.status, valuesOf(answer, 'sallyport-error-code')], [500, ['ERR_EXPRESSION_FAILED']])
        assert.deepEqual(app.heads, [], 'nothing reaches the app')
        assert.equal((await from('guarded', address)).status, 403)
      }
      assert.equal((await from('guarded', '192.0.2.7')).status, passes)
    })

    it(`takes the ranges of IP policies by their id, over ${way}`, async () => {
      for (const address of ['192.0.2.66', '203.0.113.2', '::1', 'unknown']) {
        assert.deepEqual([(await from('office', address)).status, app.heads], [403, []], address)
      }
      for (const address of ['192.0.2.7', '203.0.113.1']) assert.equal((await from('office', address)).status, passes)
    })

    it(`knows the lists of an address, over ${way}`, async () => {
      for (const address of ['203.0.113.1', '203.0.113.2']) {
        assert.deepEqual([(await from('lists', address)).status, app.heads], [403, []], address)
      }
      assert.deepEqual([(await from('lists', 'unknown')).status, app.heads], [500, []])
      assert.equal((await from('lists', '203.0.113.3')).status, passes)
      assert.deepEqual(app.values('x-lists'), [''])
      await from('lists', '192.0.2.7')
      assert.deepEqual(app.values('x-lists'), ['customers'])
    })
  }

  describe('of an agent', () => {
    const OWN = 'own-s3cret'
    const HOST = 'agent.localhost'
    const policyThatGets = (expression: string): string =>
      JSON.stringify({ on_http_request: [action('set-headers', { headers: { 'X-Got': `\${${expression}}` } })] })
    const GETS_OWN = policyThatGets("secrets.get('mine', 'token')")
    const agents: { close(): Promise<unknown> }[] = []
    let token: string

    before(async () => {
      token = (await stack.relay.authtokens.create({ acl: [] })).token
    })
    after(() => Promise.all(agents.map((agent) => agent.close())))

    /** @returns why the relay refuses it; undefined once it is online */
    async function launch(
      text: string,
      secrets: AgentOptions['secrets'],
      pooling = false,
    ): Promise<string | undefined> {
      const agent = startAgent({
        server: `http://127.0.0.1:${stack.port}`,
        authtoken: token,
        log: createLog({ level: 'silent' }),
        environment: { OWN },
        ...(secrets && { secrets }),
        tunnels: [
          {
            upstream: `http://127.0.0.1:${stack.appPort}`,
            endpoint: { url: `http://${HOST}`, pooling, trafficPolicy: { text, source: 'policy.json' } },
          },
        ],
      })
      agents.push(agent)
      const online = once(agent, 'online').then(() => undefined)
      return Promise.race([online, agent.closed.then((error) => String(error && 'problems' in error ? JSON.stringify(error.problems) : error))]) // prettier-ignore
    }

    it('sees no secret of the operator (14.5), and unknown names are reported with their place', async () => {
      const text = policyThatGets("secrets.get('shop', 'token')")
      assert.match(
        String(await launch(text, { mine: { token: OWN } })),
        /policy\.json:1.*no secret \\"token\\" in the vault \\"shop\\"; add it under secrets: in relay\.yml \(agents: in agent\.yml\)/,
      )
      // A computed name is looked up among its own, too.
      assert.equal(await launch(policyThatGets("secrets.get(getQueryParam('v')[0], 'token')"), { mine: { token: OWN } }), undefined) // prettier-ignore
      app.heads.length = 0
      const refused = await wholeAnswer('HTTP/1.1', stack.port, { host: HOST, path: '/?v=shop', headers: [] })
      assert.deepEqual([refused.status, app.heads], [500, []])
      await Promise.all(agents.splice(0).map((agent) => agent.close()))
    })

    it('sees its own secrets, and agents with others do not share its endpoint', async () => {
      assert.equal(await launch(GETS_OWN, { mine: { token: '${OWN}' } }, true), undefined)
      app.heads.length = 0
      await wholeAnswer('HTTP/1.1', stack.port, { host: HOST, path: '/', headers: [] })
      assert.deepEqual(app.values('x-got'), [OWN])
      assert.match(String(await launch(GETS_OWN, { mine: { token: 'another' } }, true)), /another policy/)
      assert.equal(await launch(GETS_OWN, { mine: { token: OWN } }, true), undefined)
    })

    it('finds no ranges of the operator by guessing an id (14.5)', async () => {
      for (const id of ['ipp_office', 'ipp_none']) {
        const policy = { on_http_request: [action('restrict-ips', { ip_policies: [id], allow: ['0.0.0.0/0'] })] }
        const refused = String(await launch(JSON.stringify(policy), {}))
        assert.match(refused, new RegExp(`ip_policies\\[0\\].*"\\S*${id}\\S* is the id of something at ngrok`))
        agents.pop()
      }
    })

    it('reads values about the visitor, but not the names of the operator’s lists (14.5)', async () => {
      assert.match(String(await launch(policyThatGets('conn.client_ip.categories'), {})), /conn\.client_ip\.categories is not known/) // prettier-ignore
      await Promise.all(agents.splice(0).map((agent) => agent.close()))
      const got = '[conn.geo.country_code, conn.server_region, string(conn.client_ip.is_tor_node), string(conn.client_ip.as.number)]' // prettier-ignore
      assert.equal(await launch(policyThatGets(`${got}.join(' ')`), {}), undefined)
      app.heads.length = 0
      await wholeAnswer('HTTP/1.1', stack.port, { host: HOST, path: '/', headers: [['X-Forwarded-For', '192.0.2.7']] })
      assert.deepEqual(app.values('x-got'), ['DE eu false 64500'])
    })

    it('reads no value of the operator that shows them (attack 44)', () => {
      const told = (['edges', 'tunnels', 'agents'] as const).map((of) => stack.relay.answer({ of, after: '', limit: 100 })) // prettier-ignore
      assert.ok(JSON.stringify(told).includes(HOST) && !JSON.stringify(told).includes(OWN))
      assert.ok(!stack.log.some((line) => line.includes(OWN)))
    })
  })

  it('logs no secret (attack 44)', () => {
    assert.ok(stack.log.length > 0)
    assert.ok(!stack.log.some((line) => line.includes(SECRET)))
  })

  it('refuses missing sources when it is loaded, with their place', () => {
    const load = (policy: object, keys: object = {}): void => {
      const edges = [{ id: 'edg_x', hosts: ['x.localhost'], policy }]
      const config = { domain: 'localhost', public_url: 'http://relay.localhost', listen: { http: 0 }, store: 'sqlite:/tmp/x', ...keys, edges } // prettier-ignore
      parseConfig(JSON.stringify(config), { source: 'relay.yml', env: { TOKEN: SECRET } })
    }
    const deny = (expression: string): object => ({ on_http_request: [{ expressions: [expression], actions: [{ type: 'deny' }] }] }) // prettier-ignore
    const header = (text: string): object => ({ on_http_response: [action('set-headers', { headers: { 'X-A': text } })] }) // prettier-ignore
    const secrets = { shop: { token: '${TOKEN}' } }
    load(deny("secrets.get('shop', 'token') == conn.server_region"), { secrets, region: 'eu' })
    assert.throws(
      () => load(deny("secrets.get('shop', 'tokn') == 'x'"), { secrets }),
      /^ConfigError: edges\[0\]\.policy\.on_http_request\[0\]\.expressions\[0\].*there is no secret "tokn" in the vault "shop"; add it under secrets: in relay\.yml \(agents: in agent\.yml\) \(character 1: .*\(line 1\)/,
    )
    assert.throws(() => load(header("a ${secrets.get('shop', 'token')}")), /set-headers|headers\.X-A.*no secret "token" in the vault "shop".*\(character 5/) // prettier-ignore
    assert.throws(() => load(deny("conn.server_region == 'eu'")), /conn\.server_region is not known; set region: in relay\.yml/) // prettier-ignore
    assert.throws(() => load({ on_http_request: [action('rate-limit', { name: 'x', capacity: 1, rate: '60s', bucket_key: ["secrets.get('shop', 'no')"] })] }, { secrets }), /bucket_key\[0\].*no secret "no"/) // prettier-ignore
    assert.throws(() => load(deny("conn.geo.country_code in ['XX']")), /conn\.geo is not known without a database; set geo: \{ city_file: … \}/) // prettier-ignore
    assert.throws(
      () => load(deny('true'), { secrets: { shop: { a: 'uno\ndos', b: 777, c: '' } } }),
      (error: Error) => /secrets\.shop\.a.*line end/.test(error.message) && /secrets\.shop\.b.*must be text/.test(error.message) && !/uno|777/.test(error.message), // prettier-ignore
    )
    const office = { on_http_request: [action('restrict-ips', { ip_policies: ['ipp_x', 'ipp_office'] })] }
    assert.throws(
      () => load(office, { ip_policies: { ipp_office: { allow: ['10.0.0.0/8'] } } }),
      /ip_policies\[0\]: "ipp_x" is the id of something at ngrok; write its ranges under ip_policies: in relay\.yml/,
    )
    assert.throws(() => load(deny('true'), { ip_policies: { office: { allow: ['10.0.0.0/8'] } } }), /ip_policies\.office.*must be ipp_ and then letters/) // prettier-ignore
    assert.throws(() => load(deny('true'), { ip_policies: { ipp_a: { allow: ['x'] }, ipp_b: {} } }), /"x" is not an address range[^]*ipp_b.*has no effect/) // prettier-ignore
    const log = { on_http_request: [action('log', { metadata: { x: "${hash.sha256(secrets.get('shop', 'token'))}" } })] } // prettier-ignore
    assert.throws(() => load(log, { secrets }), /reads a secret/)
    const computed = { on_http_request: [action('set-vars', { vars: [{ s: "${secrets.get(req.method, 'x')}" }] }), action('log', { metadata: { x: '${vars.s}' } })] } // prettier-ignore
    assert.throws(() => load(computed, { secrets }), /reads a secret/)
  })
})

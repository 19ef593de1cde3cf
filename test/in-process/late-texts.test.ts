// Credentials, ranges of addresses, secrets of webhooks and names of tokens that a policy makes for each request. In each of the
// ways that visitors can come; real relay, agent and sockets.

import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { after, before, describe, it } from 'node:test'

import { startAgent } from '@sallyport/agent'
import { createLog } from '@sallyport/server'

import { RecordingApp } from '../support/recording-app.ts'
import { startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'
import { WAYS } from '../support/three-ways.ts'
import { valuesOf, wholeAnswer } from '../support/whole-answer.ts'

const SECRET = 'pa$$word ${req.host}'
const action = (type: string, config: object): object => ({ type, config })
const rule = (...actions: object[]): object => ({ actions })
const edge = (name: string, ...rules: object[]): string =>
  JSON.stringify({ id: `edg_${name}`, hosts: [`${name}.localhost`], backend: { labels: { edge: 'edg_app' } }, policy: { on_http_request: rules } }) // prettier-ignore
const basic = (...credentials: string[]): object => action('basic-auth', { credentials })
const FROM_HEADER = "${getReqHeader('x-pass').join('')}"

const EDGES = [
  edge('vault', rule(basic("ada:${secrets.get('users', 'ada')}"))),
  edge('vars', rule(action('set-vars', { vars: [{ password: "for ${req.host}, ${secrets.get('users', 'ada')}" }] }), basic('ada:${vars.password}'))), // prettier-ignore
  edge('mixed', rule(basic('bob:a long password', "${req.method == 'GET' ? 'ada:only for GET' : 'ada:never never'}"))),
  edge('short', rule(basic(`ada:${FROM_HEADER}`), action('set-headers', { headers: { 'X-Late': 'yes' } }))),
  edge('throws', rule(action('basic-auth', { credentials: ["ada:${req.headers['x-pass'][0]}"], enforce: false }))),
  edge('either', rule(action('any-of', { actions: [basic("ada:${req.headers['x-pass'][0]}"), action('restrict-ips', { allow: ['0.0.0.0/0', '::/0'] })] }))), // prettier-ignore
  edge('range', rule(action('restrict-ips', { allow: ['203.0.113.0/24', "${getReqHeader('x-range').join('')}"] }), action('set-headers', { headers: { 'X-Range': '${actions.ngrok.restrict_ips.matched_cidr}' } }))), // prettier-ignore
  edge('closed', rule(action('restrict-ips', { deny: ["${getReqHeader('x-range').join('')}"], enforce: false }))),
  edge('hook', rule(action('verify-webhook', { provider: 'github', secret: "${getReqHeader('x-tenant').join('')}-${secrets.get('users', 'ada')}" }))), // prettier-ignore
  edge('bare', rule(action('verify-webhook', { provider: 'github', secret: "${getReqHeader('x-tenant').join('')}" }))),
  edge('path', rule(basic('ada:${req.url.path} is long'))),
  edge('token', rule(action('jwt-validation', { issuer: { allow_list: [{ value: 'https://login.example.com' }] }, audience: { allow_list: [{ value: 'x' }] }, http: { tokens: [{ name: "X-${getReqHeader('x-which').join('')}", prefix: "${'T'}" }] } }))), // prettier-ignore
]

const HASH = '$scrypt$ln=15,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA$aS2kqAGcGfbTcfCAlrUZc1aOEkq6aEGnxYX2CqN0sXU'

describe('texts that a policy makes for each request (traffic policy, 3, 4, 14.4)', { timeout: 60_000 }, () => {
  let stack: Stack
  const app = new RecordingApp()
  before(async () => {
    const vaults = { users: { ada: SECRET } }
    const limits = '{ failed_passwords_per_minute: 1000, failed_passwords_per_user_per_minute: 1000 }'
    const config = `limits: ${limits}\ntrusted_proxies: [127.0.0.1/32]\nsecrets: ${JSON.stringify(vaults).replaceAll('${', () => '$${')}`
    stack = await startStack({ app: app.server, edges: EDGES.map((each) => `- ${each}`).join('\n'), config, listen: 'http2: all' }) // prettier-ignore
  })
  after(() => stack.close())

  const said = (answer: Awaited<ReturnType<typeof wholeAnswer>>): unknown[] => [
    answer.status,
    ...valuesOf(answer, 'sallyport-error-code'),
  ]

  for (const way of WAYS) {
    const passes = way === 'an upgrade' ? 101 : 200
    const ask = (name: string, headers: Record<string, string> = {}, path = '/') => {
      app.heads.length = 0
      return wholeAnswer(way, stack.port, { host: `${name}.localhost`, path, headers: Object.entries(headers) })
    }
    const login = (user: string, password: string) => ({
      Authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
    })
    const refused = async (expected: string, ...of: Parameters<typeof ask>): Promise<void> => {
      assert.match(said(await ask(...of)).join(' '), new RegExp(expected), JSON.stringify(of))
      assert.deepEqual(app.heads, [], 'nothing reaches the app')
    }

    it(`are passwords of a vault, or of variables, and a value is never a template, over ${way}`, async () => {
      assert.equal((await ask('vault', login('ada', SECRET))).status, passes)
      for (const wrong of ['pa$$word vault.localhost', `${SECRET} `, '', "${secrets.get('users', 'ada')}"]) {
        await refused('^401', 'vault', login('ada', wrong))
      }
      await refused('^401', 'vault')
      assert.equal((await ask('vars', login('ada', `for vars.localhost, ${SECRET}`))).status, passes)
      await refused('^401', 'vars', login('ada', 'for vars.localhost, pa$$word vars.localhost'))
      await refused('^401', 'vars', login('ada', '${vars.password}'))
      await refused('^401', 'vars')
    })

    it(`stand beside others, and the visitor is who the credential says, over ${way}`, async () => {
      assert.equal((await ask('mixed', login('bob', 'a long password'))).status, passes)
      assert.equal((await ask('mixed', login('ada', 'only for GET'))).status, passes)
      assert.deepEqual(app.values('sallyport-auth-user-id'), ['ada'])
      await refused('^401', 'mixed', login('ada', 'never never'))
      await refused('^401', 'mixed', login('bob', 'only for GET'))
    })

    it(`fit nobody if they are no credential, over ${way}`, async () => {
      for (const password of ['', '2short', 'x'.repeat(129), HASH]) {
        await refused('^401', 'short', { 'X-Pass': password, ...login('ada', password) })
      }
      const pass = { 'X-Pass': 'long enough', ...login('ada', 'long enough') }
      assert.equal((await ask('short', pass)).status, passes)
      assert.deepEqual(app.values('x-late'), ['yes'])
    })

    it(`refuse the request if they cannot be made, whatever else would let it pass, over ${way}`, async () => {
      await refused('^500 ERR_EXPRESSION_FAILED', 'throws')
      await refused('^500 ERR_EXPRESSION_FAILED', 'throws', login('ada', 'long enough'))
      await refused('^500 ERR_EXPRESSION_FAILED', 'either')
      assert.equal((await ask('throws', { 'X-Pass': 'long enough' })).status, passes, 'enforce is false')
      assert.equal((await ask('either', { 'X-Pass': 'long enough' })).status, passes)
    })

    it(`are ranges of addresses, and one that is none refuses, over ${way}`, async () => {
      const from = (address: string, range: string) => ({ 'X-Forwarded-For': address, 'X-Range': range })
      assert.equal((await ask('range', from('192.0.2.7', '192.0.2.0/24'))).status, passes)
      assert.deepEqual(app.values('x-range'), ['192.0.2.0/24'])
      await refused('^403', 'range', from('198.51.100.1', '192.0.2.0/24'))
      assert.equal((await ask('range', from('203.0.113.1', '192.0.2.0/24'))).status, passes)
      for (const range of ['', 'office', '192.0.2.0/33', '192.0.2.0/24, 0.0.0.0/0', '${req.host}']) {
        await refused('^500 ERR_EXPRESSION_FAILED', 'range', from('203.0.113.1', range))
        await refused('^500 ERR_EXPRESSION_FAILED', 'closed', from('203.0.113.1', range))
      }
      assert.equal((await ask('closed', from('203.0.113.1', '203.0.113.1'))).status, passes, 'enforce is false')
    })

    it(`are names and prefixes of tokens, over ${way}`, async () => {
      const challenge = await ask('token', { 'X-Which': 'A', 'X-B': 'T a.b.c' })
      assert.deepEqual(
        [challenge.status, valuesOf(challenge, 'www-authenticate').join()],
        [401, 'Bearer realm="edg_token"'],
      )
      const wrong = await ask('token', { 'X-Which': 'A', 'X-A': 'T a.b.c' })
      assert.match(valuesOf(wrong, 'www-authenticate').join(), /invalid_token/)
      await refused('^500 ERR_EXPRESSION_FAILED', 'token', { 'X-Which': 'a b', 'X-A': 'T a.b.c' })
      assert.deepEqual(app.heads, [])
    })

    it(`are asked for both readings of a path, and no dot segment gets that far, over ${way}`, async () => {
      assert.equal((await ask('path', login('ada', '/guide is long'), '/guide')).status, passes)
      for (const path of ['/a/%2e%2e/guide', '/%61']) {
        await refused('^400', 'path', login('ada', `${path} is long`), path)
      }
    })
  }

  it('are secrets of webhooks, and an empty one refuses', async () => {
    const deliver = (name: string, tenant: string | undefined, secret: string) => {
      app.heads.length = 0
      const signature = `sha256=${createHmac('sha256', secret).update('').digest('hex')}`
      const headers: [string, string][] = [['X-Hub-Signature-256', signature], ['Content-Length', '0']] // prettier-ignore
      if (tenant !== undefined) headers.push(['X-Tenant', tenant])
      return wholeAnswer('HTTP/1.1', stack.port, { host: `${name}.localhost`, method: 'POST', headers })
    }
    for (const tenant of ['shop', 'bank', 'shop']) {
      assert.equal((await deliver('hook', tenant, `${tenant}-${SECRET}`)).status, 200)
      assert.equal((await deliver('hook', tenant, `other-${SECRET}`)).status, 403)
      assert.deepEqual(app.heads, [])
    }
    assert.equal((await deliver('bare', 'shop', 'shop')).status, 200)
    for (const tenant of [undefined, '']) {
      assert.deepEqual(said(await deliver('bare', tenant, '')), [500, 'ERR_EXPRESSION_FAILED'])
      assert.deepEqual(app.heads, [])
    }
  })

  it('are told once if they fit nobody, and the log shows no value', () => {
    const lines = stack.log.filter((line) => line.includes('a credential fits nobody'))
    assert.equal(lines.length, 1, lines.join(''))
    assert.match(lines.join(), /edg_short.*getReqHeader.*has a password of 0 characters; it must have 8 to 128/)
    for (const value of [SECRET, 'pa$$word', '2short', 'long enough', HASH]) {
      assert.ok(!stack.log.join('').includes(value), value)
    }
  })

  it('are literal in flags, whatever is in them, but for secrets of agent.yml', async () => {
    const { token } = await stack.relay.authtokens.create({ acl: [] })
    const agent = startAgent({
      server: `http://127.0.0.1:${stack.port}`,
      authtoken: token,
      log: createLog({ level: 'silent' }),
      secrets: { mine: { bob: 'from agent.yml' } },
      tunnels: [
        {
          upstream: `http://127.0.0.1:${stack.appPort}`,
          endpoint: {
            url: 'http://flags.localhost',
            basicAuth: [`ada:${SECRET}`, "bob:${secrets.get('mine', 'bob')}"],
          },
        },
      ],
    })
    await once(agent, 'online')
    const pass = async (user: string, password: string): Promise<number> => {
      const headers: [string, string][] = [['Authorization', `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`]] // prettier-ignore
      return (await wholeAnswer('HTTP/1.1', stack.port, { host: 'flags.localhost', headers })).status
    }
    assert.deepEqual([await pass('ada', SECRET), await pass('bob', 'from agent.yml')], [200, 200])
    assert.deepEqual([await pass('ada', 'pa$$word flags.localhost'), await pass('bob', 'x')], [401, 401])
    await agent.close()
  })
})

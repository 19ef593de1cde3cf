// Providers with unusual data: they neither keep people out nor let strangers in.

import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { after, before, beforeEach, describe, it } from 'node:test'

import { Secret } from '@sallyport/protocol'

import { Browser } from '../../../../test/support/browser/browser.ts'
import type { OpenidConnectConfig } from '../policy/openid-connect/openid-connect-schema.ts'
import { configFor, startRelay, until, type Relay } from './harness.test-support.ts'
import { MemoryStore } from '../store/memory-store.test-support.ts'
import { startHostileProvider, type Behaviour, type HostileProvider } from './hostile-provider.test-support.ts'

const MINUTE = 60_000

describe('providers as they are', () => {
  let relay: Relay
  let provider: HostileProvider
  let store: MemoryStore
  let now: number
  let edges = 0
  before(async () => {
    provider = await startHostileProvider()
  })
  after(() => provider.close())
  beforeEach(async () => {
    provider.behave = {}
    await relay?.close()
    now = Date.now()
    store = new MemoryStore()
    relay = await startRelay({ store, clock: () => now })
  })
  after(() => relay.close())

  async function attempt(behave: Behaviour, config: Partial<OpenidConnectConfig> = {}) {
    provider.behave = behave
    const edge = relay.edge(`asis${edges++}`, configFor(provider.issuer, config))
    const browser = new Browser()
    const page = await browser.open(`${edge.url}/wanted`)
    return { page, browser, edge }
  }

  async function welcome(behave: Behaviour, config: Partial<OpenidConnectConfig> = {}, what = '') {
    const arrived = await attempt(behave, config)
    assert.equal(arrived.page.status, 200, `${what} ${relay.logLines.at(-1)}`)
    assert.equal(arrived.page.body, 'hello user-1')
    return { ...arrived, identity: relay.reached.at(-1)?.identity }
  }

  const odd: Record<string, Record<string, unknown>> = {
    'a refresh token that is null': { refresh_token: null },
    'an empty refresh token': { refresh_token: '' },
    'an expiry that is null': { expires_in: null },
    'an expiry as text': { expires_in: '3600' },
    'an expiry that is no number': { expires_in: 'never' },
    'an expiry below nothing': { expires_in: -1 },
    'a scope that is null': { scope: null },
    'a scope that is a list': { scope: ['openid', 'email'] },
    'a scope that is an object': { scope: { openid: true } },
    'everything at once': { refresh_token: null, expires_in: null, scope: ['openid'], error: null, foo: null },
  }
  for (const [what, tokenMembers] of Object.entries(odd)) {
    it(`B13: a token answer with ${what} signs in`, async () => {
      await welcome({ tokenMembers })
    })
  }

  it('B13: a refresh is read like the sign-in, and null keeps the old refresh token', async () => {
    const config = { userinfo_refresh_interval: MINUTE, forward_access_token: true }
    const { browser, edge } = await welcome({ refreshToken: 'r1', tokenMembers: { expires_in: '600' } }, config)
    provider.behave = {
      refreshToken: 'r1',
      tokenMembers: { refresh_token: null, expires_in: null, scope: ['openid'], access_token: 'at2' },
      idToken: () => provider.idToken({ nonce: undefined, name: 'Countess', groups: null, auth_time: null }),
    }
    for (let round = 0; round < 2; round++) {
      now += 3 * MINUTE
      const asked = provider.redeemed.length
      assert.equal((await browser.fetch(edge.url)).status, 200)
      await until(() => provider.redeemed.length === asked + 1)
      assert.equal(provider.redeemed.at(-1)?.get('refresh_token'), 'r1')
      assert.equal(relay.reached.at(-1)?.identity?.name, 'Countess', relay.logLines.at(-1))
      assert.equal(relay.reached.at(-1)?.identity?.accessToken, 'at2')
    }
  })

  it('B13: a token answer that names no ID token is refused, null or not there', async () => {
    for (const id_token of [null, '', undefined, 7, {}]) {
      const { page } = await attempt({ tokenMembers: { id_token } })
      assert.equal(page.status, 400)
      assert.match(relay.logLines.join(''), /the token endpoint gave no ID token/)
      assert.deepEqual(relay.reached, [])
    }
  })

  it('B13: an ID token under the internal name of ours is ignored', async () => {
    const planted = await provider.idToken({ sub: 'boss', nonce: undefined })
    const { page } = await attempt({ tokenMembers: { 'sallyport:id_token': planted, id_token: undefined } })
    assert.equal(page.status, 400)
    assert.match(relay.logLines.join(''), /the token endpoint gave no ID token/, 'it was not even looked at')
    assert.deepEqual(relay.reached, [])
  })

  it('B13: an ID token with null and text in place of numbers signs in', async () => {
    const claims = { nbf: null, azp: null, auth_time: null, sid: null, name: null, email: null, groups: null }
    const { identity } = await welcome({ idToken: () => provider.idToken(claims) })
    assert.equal(identity?.email, undefined)
    assert.deepEqual(identity?.groups, [])
    const seconds = Math.floor(now / 1000)
    const { identity: dated } = await welcome({ idToken: () => provider.idToken({ auth_time: String(seconds) }) })
    assert.equal(dated?.authTime, seconds)
  })

  it('B13: keys without kid, or with members that are null, verify; a stranger’s signature does not', async () => {
    const { kid: _kid, ...nameless } = provider.publicJwk
    for (const jwk of [nameless, { ...nameless, kid: null, alg: null, use: null, x5t: null }]) {
      for (const header of [{}, { kid: undefined }, { kid: 'another' }]) {
        await relay.close()
        relay = await startRelay()
        const answer = { '/jwks': (response: ServerResponse) => void response.end(JSON.stringify({ keys: [jwk] })) }
        await welcome({ answer, idToken: () => provider.idToken({}, header) })
        relay.reached.length = 0
        const forged = async () => (await provider.idToken({}, header)).replace(/\.[^.]+$/, `.${'A'.repeat(342)}`)
        assert.equal((await attempt({ answer, idToken: forged })).page.status, 400)
        assert.deepEqual(relay.reached, [])
      }
    }
  })

  describe('whose userinfo refuses', () => {
    const refusals: Record<string, (response: ServerResponse) => void> = {
      'the access token': (response) =>
        void response.writeHead(401, { 'www-authenticate': 'Bearer error="invalid_token"' }).end(),
      'with 403 and a page': (response) => void response.writeHead(403, { 'content-type': 'text/html' }).end('<p>no'),
      'by not being there': (response) => void response.writeHead(404).end(),
      'by leading elsewhere': (response) => void response.writeHead(302, { location: '/login' }).end(),
    }
    const behaving = (refuse: (response: ServerResponse) => void, claims: Record<string, unknown>): Behaviour => ({
      metadata: { userinfo_endpoint: `${provider.issuer}/userinfo` },
      answer: { '/userinfo': refuse },
      idToken: () => provider.idToken({ email_verified: undefined, ...claims }),
    })

    for (const [what, refuse] of Object.entries(refusals)) {
      it(`B7: ${what}: the ID token counts, and the log tells`, async () => {
        const { identity } = await welcome(behaving(refuse, { groups: ['staff'] }))
        assert.equal(identity?.name, 'Ada')
        assert.equal(identity?.email, undefined, 'nobody has called it verified')
        assert.match(relay.logLines.join(''), /"reason":"HTTP 40[134]|"reason":"HTTP 302/)
        assert.match(relay.logLines.join(''), /userinfo refuses the access token: the claims of the ID token count/)
        assert.ok(!relay.logLines.join('').includes('credentials right'), 'B14: they were taken')
      })

      it(`B7: ${what}: a missing claim that decides is named, and nobody comes in`, async () => {
        const groups = { claim: 'groups', any_of: ['staff'] }
        const deciding: [Record<string, unknown>, Partial<OpenidConnectConfig>, RegExp][] = [
          [{ groups: undefined }, { deny: { groups } }, /left groups out of the ID token/],
          [{ groups: null }, { allow: { groups } }, /left groups out/],
          [{}, { allow: { claims: [{ claim: ['a', 'b.c'], any_of: ['x'] }] } }, /left \["a","b\.c"\] out/],
          [{}, { allow: { emails: ['ada@example.com'] } }, /left email_verified out/],
          [{ email: undefined }, { deny: { domains: ['example.com'] } }, /left email out/],
          [{ email: null }, { allow: { domains: ['example.com'] } }, /left email, email_verified out/],
        ]
        for (const [claims, config, words] of deciding) {
          relay.logLines.length = 0
          const { page, browser, edge } = await attempt(behaving(refuse, claims), config)
          assert.equal(page.status, 400)
          assert.match(page.body, /The operator finds the reason/)
          const log = relay.logLines.join('').replaceAll('\\"', '"')
          assert.match(log, words)
          assert.match(log, /its userinfo endpoint refuses the access token \(HTTP \d{3}/)
          assert.equal(browser.cookie(edge.host, 'session'), undefined)
        }
        assert.deepEqual(relay.reached, [])
        // Claims that do not decide, or are in the ID token, may be missing.
        await welcome(behaving(refuse, { groups: ['staff'] }), { allow: { groups } })
        await welcome(behaving(refuse, {}), { allow: { emails: ['ada@example.com'] }, email_verified: 'if_present' })
        await welcome(behaving(refuse, { email_verified: true }), { allow: { emails: ['ada@example.com'] } })
      })
    }

    it('B7: must still mean the same subject if it answers', async () => {
      const behave = behaving(() => {}, { name: undefined })
      for (const sub of ['user-2', '', null, undefined, ['user-1']]) {
        const { page } = await attempt({ ...behave, answer: {}, userInfo: { sub, name: 'Boss' } })
        assert.equal(page.status, 400, String(sub))
      }
      assert.deepEqual(relay.reached, [])
    })

    it('B7: at a refresh without an ID token keeps the claims, and does not count as a refresh', async () => {
      const config = { userinfo_refresh_interval: MINUTE, allow: { groups: { claim: 'groups', any_of: ['staff'] } } }
      const signedIn = { ...behaving(refusals['the access token']!, { groups: ['staff'] }), refreshToken: 'r1' }
      const { browser, edge } = await welcome(signedIn, config)
      provider.behave = { ...signedIn, idToken: () => undefined }
      now += 3 * MINUTE
      assert.equal((await browser.fetch(edge.url)).status, 200)
      await until(() => relay.logLines.some((line) => line.includes('claims could not be refreshed')))
      const line = relay.logLines.find((one) => one.includes('claims could not be refreshed')) ?? ''
      assert.match(line, /refuses the access token, or these credentials: HTTP 401: invalid_token/)
    })
  })

  describe('whose claims are no lists', () => {
    const ROLES = 'urn:zitadel:iam:org:project:roles'
    const inRole = (role: string, more: object = {}): Partial<OpenidConnectConfig> => ({
      allow: { groups: { claim: ROLES, any_of: [role], ...more } },
    })
    const sending = (value: unknown): Behaviour => ({ idToken: () => provider.idToken({ [ROLES]: value }) })

    it('B12: the keys of an object are the values, as Zitadel sends its roles', async () => {
      const roles = { docs: { '2801': 'example.com' }, 'press,all': { '2801': 'example.com' }, admin: true }
      for (const role of Object.keys(roles)) {
        const { identity } = await welcome(sending(roles), inRole(role))
        assert.deepEqual(identity?.groups, Object.keys(roles))
      }
    })

    it('B12: a key with an empty value is no value, and neither is anything inside it', async () => {
      const roles = { docs: {}, off: false, none: null }
      await welcome(sending(roles), inRole('docs'))
      relay.reached.length = 0
      for (const role of ['off', 'none', '2801', 'example.com', 'toString', '__proto__', 'constructor']) {
        assert.equal((await attempt(sending(roles), inRole(role))).page.status, 403, role)
      }
      assert.deepEqual(relay.reached, [])
      const deny = { deny: { groups: { claim: ROLES, any_of: ['docs'] } } }
      assert.equal((await attempt(sending(roles), deny)).page.status, 403)
    })

    it('B14: an unreadable claim decides nothing, and the message says what was found', async () => {
      for (const [value, words] of [
        [{ street: 'Main Street' }, /holds an object with a string in it/],
        [{ docs: ['2801'] }, /holds an object with a list in it/],
        [{ docs: 1 }, /holds an object with a number in it/],
        [[{ name: 'docs' }], /holds an object in place of a text/],
        [['docs', ['more']], /holds a list in place of a text/],
      ] as const) {
        for (const config of [inRole('docs'), { deny: { groups: { claim: ROLES, any_of: ['docs'] } } }]) {
          relay.logLines.length = 0
          assert.equal((await attempt(sending(value), config)).page.status, 400)
          assert.match(relay.logLines.join(''), words)
          assert.ok(!relay.logLines.join('').includes('lists more'))
        }
      }
      assert.deepEqual(relay.reached, [])
    })

    it('a number whose last digits JSON has lost is nobody’s group', async () => {
      const token = await provider.idToken()
      assert.ok(token)
      const { page } = await attempt(
        sending([12345678901234567891n.toString(), 2 ** 63]),
        inRole('9223372036854775807'),
      )
      assert.equal(page.status, 400)
      assert.match(relay.logLines.join(''), /a number that is too long to be read exactly/)
      await welcome(sending([42]), inRole('42'))
    })

    it('one text is split if a separator is configured, and never without', async () => {
      for (const [value, separator, role] of [
        ['docs,press', ',', 'press'],
        [' docs , press ', ',', 'docs'],
        ['docs press', ' ', 'press'],
        ['docs;;press', ';', 'press'],
        ['docs, press', ', ', 'press'],
        [['docs', 'press'], ',', 'press'],
      ] as const) {
        const { identity } = await welcome(sending(value), inRole(role, { separator }))
        assert.deepEqual(identity?.groups, ['docs', 'press'])
      }
      relay.reached.length = 0
      for (const [value, separator, role] of [
        ['docs,press', undefined, 'press'],
        ['docs press', undefined, 'docs'],
        ['docs,press', ';', 'docs'],
        ['docs,press', ',', 'docs,press'],
        [['docs,press'], ',', 'press'],
        [',', ',', ''],
      ] as const) {
        const config = inRole(role, separator === undefined ? {} : { separator })
        assert.equal((await attempt(sending(value), config)).page.status, 403, JSON.stringify([value, separator]))
      }
      assert.deepEqual(relay.reached, [])
      const deny = { deny: { claims: [{ claim: ROLES, any_of: ['press'], separator: ',' }] } }
      assert.equal((await attempt(sending('docs, press'), deny)).page.status, 403)
    })

    it('two routes that read one claim differently share a session, and each reads its own', async () => {
      provider.behave = sending('docs,press')
      const host = `asis${edges++}`
      const split = configFor(provider.issuer, inRole('press', { separator: ',' }))
      const whole = relay.edge(host, configFor(provider.issuer, inRole('docs,press')), split)
      const browser = new Browser()
      assert.equal((await browser.open(whole.url)).status, 200)
      relay.edge(host, split)
      assert.equal((await browser.fetch(whole.url)).status, 200)
      assert.deepEqual(relay.reached.at(-1)?.identity?.groups, ['docs', 'press'])
      relay.edge(host, configFor(provider.issuer, inRole('docs', {})))
      assert.equal((await browser.fetch(whole.url)).status, 403)
    })
  })

  it('real-providers 9: of a visitor’s 300 groups, the app gets the matching ones, in header and token', async () => {
    const many = Array.from({ length: 300 }, (_, index) => `group-${index}`)
    const behave = { idToken: () => provider.idToken({ groups: many }) }
    const groups = { claim: 'groups', any_of: ['group-7', 'nobody', 'group-299'] }
    const inToken = (jwt: string | undefined): unknown =>
      (JSON.parse(Buffer.from(jwt?.split('.')[1] ?? '', 'base64url').toString()) as { groups: unknown }).groups
    const all = await welcome(behave, { allow: { groups } })
    assert.deepEqual(all.identity?.groups, many)

    const config = { allow: { groups }, identity_groups: 'matched' as const }
    const { identity, edge, browser } = await welcome(behave, config)
    assert.deepEqual(identity?.groups, ['group-7', 'group-299'])
    assert.deepEqual(inToken(identity?.jwt), ['group-7', 'group-299'])
    assert.ok((identity?.jwt?.length ?? 0) < 1000)

    // Another route of the edge shares the session; its app gets the groups that it names, not those of the first route.
    const deny = { groups: { claim: 'groups', any_of: ['leaving'] } }
    for (const [other, expected] of [
      [{ allow: { groups: { claim: 'groups', any_of: ['group-1'] } }, identity_groups: 'matched' }, ['group-1']],
      [{ deny, identity_groups: 'matched' }, []],
      [{ deny }, many],
      [config, ['group-7', 'group-299']],
    ] as const) {
      relay.edge(edge.id.slice('edg_'.length), configFor(provider.issuer, other as Partial<OpenidConnectConfig>))
      assert.equal((await browser.fetch(edge.url)).status, 200)
      const passed = relay.reached.at(-1)?.identity
      assert.deepEqual(passed?.groups, expected)
      assert.deepEqual(inToken(passed?.jwt), expected)
    }
    // All groups still decide who may pass.
    relay.edge(edge.id.slice('edg_'.length), configFor(provider.issuer, { ...config, deny: { groups: { claim: 'groups', any_of: ['group-8'] } } })) // prettier-ignore
    assert.equal((await browser.fetch(edge.url)).status, 403)
  })

  it('real-providers 2: a secret with -_.~ is sent unencoded to a provider that does not decode it', async () => {
    const client_secret = new Secret('gl-secret_1.2~3')
    for (const config of [
      { client_secret },
      { client_secret, client_authentication: 'client_secret_basic' as const },
    ]) {
      await welcome({ undecoded: 'relay:gl-secret_1.2~3' }, config)
    }
    relay.reached.length = 0
    const { page } = await attempt({ undecoded: 'relay:gl-secret_1.2~4' }, { client_secret })
    assert.equal(page.status, 400)
    assert.deepEqual(relay.reached, [])
  })

  it('real-providers 5: a wrong secret is reported to the operator, whatever the provider calls it', async () => {
    for (const [status, body] of [
      [401, '{"error":"unauthorized_client","error_description":"Invalid client or Invalid client credentials"}'], // Keycloak 26.7
      [403, '{"error":"unauthorized_client"}'], // Glewlwyd 2.7.5
      [401, '{"error":"invalid_client","error_description":"Client authentication failed"}'], // Ory Hydra 2.3
    ] as const) {
      const { page } = await attempt({ tokenAnswer: { status, body } })
      assert.equal(page.status, 400)
      assert.match(page.body, /The operator finds the reason in the relay’s log/, body)
      assert.match(relay.logLines.join(''), /_client: [^"]*; are client_id and credentials right\?/)
      relay.logLines.length = 0
    }
    // A code that was used up is another matter: that page may be tried again.
    const { page } = await attempt({ tokenAnswer: { status: 400, body: '{"error":"invalid_grant"}' } })
    assert.match(page.body, /try again/i)
    assert.ok(!page.body.includes('operator'))
    assert.deepEqual(relay.reached, [])
  })

  it('a provider’s messages are shortened in the log, and have no control characters', async () => {
    const long = `${'\u001b[2J\n'}${'x'.repeat(100_000)}`
    await attempt({ tokenAnswer: { status: 400, body: JSON.stringify({ error: long, error_description: long }) } })
    const challenge = `Bearer error="${'x'.repeat(5000)}"`
    await attempt({
      answer: {
        '/token': (response) => void response.writeHead(401, { 'www-authenticate': challenge }).end(),
      },
    })
    await attempt({ back: (callback) => callback.searchParams.set('error', `\u001b[2J${'e'.repeat(200)}`) })
    await relay.close()
    relay = await startRelay()
    await attempt({ metadata: { userinfo_endpoint: `http://\u001b[2J${'x'.repeat(100_000)}` } })
    assert.match(relay.logLines.join(''), /is not an https URL/)
    for (const line of relay.logLines) {
      assert.ok(line.length < 3000, `${line.length} characters`)
      assert.ok(!line.includes('\\u001b'), line)
    }
  })

  it('reliability 10: a clock that is an hour ahead is reported with the remedy', async () => {
    now += 3_600_000
    const { page } = await attempt({})
    assert.equal(page.status, 400)
    assert.match(relay.logLines.join(''), /it expired 3(?:299|300|301) s ago; set the clocks of relay and provider/)
    assert.deepEqual(relay.reached, [])
  })
})

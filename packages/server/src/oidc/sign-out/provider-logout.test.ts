// A sign-out that begins at the provider: which sessions end here, and who cannot end any.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'

import { SignJWT, UnsecuredJWT, exportSPKI, generateKeyPair, importJWK, type CryptoKey } from 'jose'

import { Browser, type RequestOptions } from '../../../../../test/support/browser/browser.ts'
import { openStore } from '../../store/open-store.ts'
import {
  clientFor,
  configFor,
  signInAs,
  startProvider,
  startRelay,
  openStream,
  until,
  type Relay,
} from '../harness.test-support.ts'
import { MemoryStore } from '../../store/memory-store.test-support.ts'
import { startHostileProvider, type HostileProvider } from '../hostile-provider.test-support.ts'

const EVENT = 'http://schemas.openid.net/event/backchannel-logout'
const SID = 'the-session-at-the-provider-1'
const OTHER_SID = 'the-session-at-the-provider-2'

describe('sign-out at the provider', () => {
  let relay: Relay
  let store: MemoryStore

  beforeEach(async () => {
    store = new MemoryStore()
    relay = await startRelay({ store, callbacksPerMinute: 1000 })
  })
  afterEach(() => relay.close())

  const post = (body: string, options: RequestOptions = {}) =>
    new Browser().fetch(`${relay.publicUrl.href}oidc/backchannel-logout`, {
      method: 'POST',
      body,
      ...options,
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...options.headers },
    })
  const tell = (token: string) => post(new URLSearchParams({ logout_token: token }).toString())
  const edges = () =>
    relay.signIn.sessions
      .list()
      .map(({ edge }) => edge)
      .toSorted()

  it('attack 33: ends all sessions of that browser, on every edge, with their exchanges under way', async () => {
    const provider = await startProvider(relay.port, {
      clients: [
        {
          ...clientFor(relay.port),
          backchannel_logout_uri: `${relay.publicUrl.href}oidc/backchannel-logout`,
          backchannel_logout_session_required: true,
        },
      ],
      configure: {
        features: { backchannelLogout: { enabled: true }, devInteractions: { enabled: false } },
        fetch: fetchOnLoopback,
      },
    })
    try {
      const [docs, wiki] = [
        relay.edge('docs', configFor(provider.issuer)),
        relay.edge('wiki', configFor(provider.issuer)),
      ]
      const [here, elsewhere] = [new Browser(), new Browser()]
      await signInAs(here, docs.url)
      await here.open(wiki.url)
      await signInAs(elsewhere, docs.url)
      assert.deepEqual(edges(), ['edg_docs', 'edg_docs', 'edg_wiki'])
      const stream = await openStream(relay.port, docs.host, here.cookieHeader(docs.url))
      const cut = once(stream.socket, 'close')

      const page = await here.open(`${provider.issuer}/session/end`)
      await here.submit(page, { logout: 'yes' })
      await cut
      assert.equal((await here.fetch(docs.url)).status, 401)
      assert.equal((await here.fetch(wiki.url)).status, 401)
      assert.equal((await elsewhere.fetch(docs.url)).status, 200)
      assert.deepEqual(edges(), ['edg_docs'])
    } finally {
      await provider.close()
    }
  })

  describe('by a logout token', () => {
    let provider: HostileProvider
    let browser: Browser
    let docs: ReturnType<Relay['edge']>

    beforeEach(async () => {
      provider = await startHostileProvider()
      provider.behave.idToken = () => provider.idToken({ sid: SID })
      docs = relay.edge('docs', configFor(provider.issuer))
      browser = new Browser()
      await browser.open(docs.url)
      assert.deepEqual(edges(), ['edg_docs'])
    })
    afterEach(() => provider.close())

    let count = 0
    const logoutToken = (
      claims: Record<string, unknown> = {},
      header: Record<string, unknown> = {},
      key = provider.key,
    ) =>
      new SignJWT({
        iss: provider.issuer,
        aud: 'relay',
        jti: `jti-${count++}`,
        iat: Math.floor(Date.now() / 1000),
        exp: Math.floor(Date.now() / 1000) + 120,
        events: { [EVENT]: {} },
        sub: 'user-1',
        sid: SID,
        ...claims,
      })
        .setProtectedHeader({ alg: 'RS256', kid: 'k1', typ: 'logout+jwt', ...header })
        .sign(key)

    it('takes each token once, and answers without a body that could be kept', async () => {
      const token = await logoutToken()
      const done = await tell(token)
      assert.equal(done.status, 200)
      assert.equal(done.headers['cache-control'], 'no-store')
      assert.equal(done.body, '')
      assert.deepEqual(edges(), [])
      assert.equal((await browser.fetch(docs.url)).status, 401)

      await browser.open(docs.url)
      await relay.close()
      relay = await startRelay({ store, port: relay.port }) // another process knows it, too
      docs = relay.edge('docs', configFor(provider.issuer))
      const replayed = await tell(token)
      assert.equal(replayed.status, 400)
      assert.match(replayed.body, /has been used/)
      assert.deepEqual(edges(), ['edg_docs'], 'a token of yesterday ends no session of today')
      assert.equal((await tell(await logoutToken())).status, 200)
    })

    it('real-providers 4: takes a token without exp, as Hydra sends it, once and while it is young', async () => {
      const now = Math.floor(Date.now() / 1000)
      const bare = await logoutToken({ exp: undefined, nbf: null }, { typ: 'JWT' })
      assert.equal((await tell(bare)).status, 200)
      assert.deepEqual(edges(), [])
      await browser.open(docs.url)
      assert.equal((await tell(bare)).status, 400, 'it has been used')
      assert.equal((await tell(await logoutToken({ exp: null, iat: now - 500 }))).status, 400, 'it is too old')
      assert.deepEqual(edges(), ['edg_docs'])
      assert.equal((await tell(await logoutToken({ exp: null, iat: now - 290 }))).status, 200)
    })

    it('attack 27: refuses everything that is no logout token for this client', async () => {
      const { privateKey: stranger } = await generateKeyPair('RS256')
      const past = Math.floor(Date.now() / 1000) - 3600
      const bad: [what: string, token: string | Promise<string>][] = [
        ['nothing', ''],
        ['no token', 'x.y.z'],
        ['an ID token', provider.idToken({ sid: SID })],
        ['an ID token without nonce', provider.idToken({ sid: SID, nonce: undefined, jti: 'x' })],
        ['another typ', logoutToken({}, { typ: 'at+jwt' })],
        ['a nonce', logoutToken({ nonce: 'n' })],
        ['another issuer', logoutToken({ iss: 'https://evil.example' })],
        ['another audience', logoutToken({ aud: 'another' })],
        ['no issuer', logoutToken({ iss: undefined })],
        ['no audience', logoutToken({ aud: undefined })],
        ['no jti', logoutToken({ jti: undefined })],
        ['no iat', logoutToken({ iat: undefined })],
        ['an old one', logoutToken({ iat: past })],
        ['an old one without exp', logoutToken({ iat: past, exp: undefined })],
        ['one of the future without exp', logoutToken({ iat: past + 7200, exp: undefined })],
        ['neither iat nor exp', logoutToken({ iat: undefined, exp: undefined })],
        ['an exp that is no number', logoutToken({ exp: 'never' })],
        ['neither exp nor jti', logoutToken({ exp: undefined, jti: undefined })],
        ['an expired one', logoutToken({ exp: past })],
        ['one of the future', logoutToken({ iat: past + 7200, exp: past + 7300 })],
        ['no events', logoutToken({ events: undefined })],
        ['another event', logoutToken({ events: { 'https://evil.example/event': {} } })],
        ['events as text', logoutToken({ events: EVENT })],
        ['an event that is no object', logoutToken({ events: { [EVENT]: true } })],
        ['neither sub nor sid', logoutToken({ sub: undefined, sid: undefined })],
        ['a sid that is no text', logoutToken({ sid: 1 })],
        ['a huge token', logoutToken({ more: 'x'.repeat(17_000) })],
        ['another key', logoutToken({}, {}, stranger)],
        ['alg none', new UnsecuredJWT({ iss: provider.issuer, aud: 'relay', events: { [EVENT]: {} }, sid: SID, jti: 'n', iat: past + 3600, exp: past + 3700 }).encode()], // prettier-ignore
        ['HS256 with the public key', hs256WithPublicKey()],
        [
          'our own identity token',
          relay.reached.at(-1)?.identity?.jwt ?? 'the app has got one', // signed, but by us
        ],
      ]
      for (const [what, token] of bad) {
        const answer = await tell(await token)
        assert.equal(answer.status, 400, what)
        assert.equal(answer.headers['cache-control'], 'no-store', what)
        assert.equal((JSON.parse(answer.body) as { error: string }).error, 'invalid_request', what)
        assert.deepEqual(edges(), ['edg_docs'], what)
      }
      const good = new URLSearchParams({ logout_token: await logoutToken() })
      assert.equal((await post(`${good.toString()}&${good.toString()}`)).status, 400, 'two of them')
      assert.equal((await post(good.toString(), { headers: { 'content-type': 'text/plain' } })).status, 400)
      assert.equal((await post(`${good.toString()}&pad=${'x'.repeat(40_000)}`)).status, 400, 'a large body')
      assert.equal((await post(good.toString(), { method: 'PUT' })).status, 405)
      const asGet = await new Browser().fetch(`${relay.publicUrl.href}oidc/backchannel-logout?${good.toString()}`)
      assert.equal(asGet.status, 405)
      assert.deepEqual(edges(), ['edg_docs'])
      assert.equal((await post(good.toString())).status, 200)
    })

    it('ends the named session, or all of the subject if none is named', async () => {
      const wiki = relay.edge('wiki', configFor(provider.issuer))
      const other = relay.edge('other', configFor(provider.issuer, { client_id: 'another', auth_id: 'another' }))
      provider.behave.idToken = () => provider.idToken({ sid: OTHER_SID })
      const second = new Browser()
      await second.open(wiki.url)
      provider.behave.idToken = () => provider.idToken({ sid: SID, aud: 'another' })
      await new Browser().open(other.url)
      assert.deepEqual(edges(), ['edg_docs', 'edg_other', 'edg_wiki'])

      assert.equal((await tell(await logoutToken({ sid: 'unknown' }))).status, 200)
      assert.equal((await tell(await logoutToken({ sub: 'user-2' }))).status, 200)
      assert.equal((await tell(await logoutToken({ sub: 'user-2', sid: undefined }))).status, 200)
      assert.deepEqual(edges(), ['edg_docs', 'edg_other', 'edg_wiki'])
      assert.equal((await tell(await logoutToken({ sub: undefined }))).status, 200)
      assert.deepEqual(edges(), ['edg_other', 'edg_wiki'])
      assert.equal((await tell(await logoutToken({ sid: undefined }, { typ: undefined }))).status, 200)
      assert.deepEqual(edges(), ['edg_other'], 'another client has sessions of its own')
    })

    it('says so if the store cannot be written, and takes the same token again', async () => {
      const token = await logoutToken()
      store.down = true
      assert.equal((await tell(token)).status, 503)
      assert.equal((await browser.fetch(docs.url)).status, 401, 'ended here all the same')
      store.down = false
      assert.equal((await tell(token)).status, 200)
    })

    it('limits the tries of each address', async () => {
      await relay.close()
      relay = await startRelay({ store, callbacksPerMinute: 5 })
      relay.edge('docs', configFor(provider.issuer))
      const statuses = []
      for (let i = 0; i < 8; i++) statuses.push((await tell('x.y.z')).status)
      assert.deepEqual(statuses, [400, 400, 400, 400, 400, 429, 429, 429])
    })

    it('H: a flood of tokens while the keys are unavailable causes few requests and gets few answers', async () => {
      let now = Date.now()
      await relay.close()
      relay = await startRelay({ store, callbacksPerMinute: 5, clock: () => now })
      relay.edge('docs', configFor(provider.issuer))
      const ask = async (count: number) => {
        const statuses = []
        for (let i = 0; i < count; i++) statuses.push((await tell(await logoutToken())).status)
        return statuses
      }
      provider.behave.answer = { '/jwks': (response) => void response.writeHead(500).end() }
      provider.asked.length = 0
      assert.deepEqual(await ask(8), [502, 502, 502, 502, 502, 429, 429, 429])
      assert.deepEqual(provider.asked, ['/.well-known/openid-configuration', '/jwks'])
      assert.deepEqual(edges(), ['edg_docs'])
      provider.behave.answer = {}
      now += 120_000
      assert.deepEqual(await ask(1), [200])
      assert.deepEqual(edges(), [])
    })

    it('H: an unavailable discovery document does not lift the limit of tries', async () => {
      await relay.close()
      relay = await startRelay({ store, callbacksPerMinute: 3 })
      relay.edge('docs', configFor(provider.issuer))
      provider.behave.answer = { '/.well-known/openid-configuration': (response) => void response.writeHead(500).end() }
      const statuses = []
      for (let i = 0; i < 5; i++) statuses.push((await tell(await logoutToken())).status)
      assert.deepEqual(statuses, [502, 502, 502, 429, 429])
    })

    it('H: ends sessions that another process has made a moment ago', { timeout: 20_000 }, async () => {
      const folder = await mkdtemp(join(tmpdir(), 'sallyport-logout-'))
      const stores = await Promise.all([0, 1].map(() => openStore({ type: 'sqlite', path: join(folder, 'relay.db') })))
      await relay.close()
      const [here, elsewhere] = await Promise.all(stores.map((one) => startRelay({ store: one })))
      try {
        relay = here!
        const other = elsewhere!.edge('docs', configFor(provider.issuer))
        here!.edge('docs', configFor(provider.issuer))
        // Once could be luck: this process reads the writes of others five times a second.
        for (let round = 0; round < 5; round++) {
          const visitor = new Browser()
          assert.equal((await visitor.open(other.url)).status, 200)
          assert.equal((await tell(await logoutToken())).status, 200)
          await until(() => elsewhere!.signIn.sessionCount === 0)
          assert.equal((await visitor.fetch(other.url)).status, 401)
        }
      } finally {
        await elsewhere!.close()
        await here!.close()
        for (const one of stores) await one.close()
        await rm(folder, { recursive: true })
      }
    })

    it('in a frame: ends only the session of that sid, and none for a site that does not know it', async () => {
      const frame = (query: Record<string, string>, headers: Record<string, string> = { 'sec-fetch-dest': 'iframe' }) =>
        new Browser().fetch(
          `${relay.publicUrl.href}oidc/frontchannel-logout?${new URLSearchParams(query).toString()}`,
          {
            headers,
          },
        )
      const right = { iss: provider.issuer, sid: SID }
      const refused: [Record<string, string>, Record<string, string>?][] = [
        [{}],
        [{ iss: provider.issuer }],
        [{ sid: SID }],
        [{ ...right, iss: 'https://evil.example' }],
        [{ ...right, sid: SID.slice(0, 15) }],
        [right, { 'sec-fetch-dest': 'image' }],
        [right, { 'sec-fetch-dest': 'empty' }],
      ]
      for (const [query, headers] of refused) {
        assert.equal((await frame(query, headers)).status, 400, JSON.stringify([query, headers]))
      }
      const guess = await frame({ ...right, sid: OTHER_SID })
      assert.equal(guess.status, 200)
      assert.deepEqual(edges(), ['edg_docs'])

      const done = await frame(right)
      assert.equal(done.status, 200)
      assert.equal(done.body, guess.body, 'nobody is told whether a sid exists')
      assert.equal(done.headers['cache-control'], 'no-store')
      assert.match(String(done.headers['content-security-policy']), new RegExp(`frame-ancestors ${provider.issuer}$`))
      assert.deepEqual(edges(), [])
      assert.equal((await browser.fetch(docs.url)).status, 401)
    })

    async function hs256WithPublicKey(): Promise<string> {
      const key = (await importJWK(provider.publicJwk, 'RS256', { extractable: true })) as CryptoKey // RSA is never bytes
      const secret = new TextEncoder().encode(await exportSPKI(key))
      return new SignJWT({ iss: provider.issuer, aud: 'relay', jti: 'h', events: { [EVENT]: {} }, sid: SID })
        .setProtectedHeader({ alg: 'HS256' })
        .setIssuedAt()
        .setExpirationTime('2 minutes')
        .sign(secret)
    }
  })
})

/** For the provider's POST: `*.localhost` is this machine, which Node does not know. */
async function fetchOnLoopback(url: string | URL | Request, init: RequestInit = {}): Promise<Response> {
  const { host, port, pathname } = new URL(url instanceof Request ? url.url : url)
  const body = init.body instanceof URLSearchParams ? init.body.toString() : ''
  const request = httpRequest({
    host: '127.0.0.1',
    port,
    path: pathname,
    method: init.method ?? 'GET',
    headers: { ...Object.fromEntries(new Headers(init.headers)), host, 'content-length': Buffer.byteLength(body) },
  })
  request.end(body)
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  response.resume()
  return new Response(null, { status: response.statusCode ?? 500 })
}

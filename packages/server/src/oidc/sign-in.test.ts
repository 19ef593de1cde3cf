// The whole sign-in over HTTP, with a real identity provider and a small browser.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'

import { createLocalJWKSet, jwtVerify, type JSONWebKeySet } from 'jose'

import { Browser, type Visit } from '../../../../test/support/browser/browser.ts'
import {
  startIdentityProvider,
  type IdentityProvider,
} from '../../../../test/support/identity-provider/identity-provider.ts'
import { callbackPath, redirectUri } from '../model/redirect-uri.ts'
import { openStore } from '../store/open-store.ts'
import { Boxes } from '../seal/boxes.ts'
import {
  PASSWORD,
  USERS,
  clientFor,
  configFor,
  signInAs,
  startProvider,
  startRelay,
  testKeys,
  type Relay,
} from './harness.test-support.ts'
import { MemoryStore } from '../store/memory-store.test-support.ts'

const HOUR = 3_600_000

describe('sign-in', () => {
  let relay: Relay
  let provider: IdentityProvider
  let store: MemoryStore
  let port: number
  let now: number

  before(async () => {
    // The provider knows the relay's address, so the relay of every test has the same.
    relay = await startRelay()
    port = relay.port
    provider = await startProvider(port)
    await relay.close()
  })
  after(() => provider.close())
  beforeEach(async () => {
    store = new MemoryStore()
    now = Date.now()
    relay = await startRelay({ store, port, clock: () => now })
  })
  afterEach(() => relay.close())

  const sessionCookie = (browser: Browser, host: string) => {
    for (const cookie of browser.cookies.get(host)?.values() ?? []) {
      if (cookie.name.endsWith('.session')) return cookie
    }
    return undefined
  }
  /** The content of the box from the shared callback. */
  const openHandOver = (box: string) => {
    const opened = new Boxes(testKeys()).open('hand-over', box, now)
    assert.ok(opened.ok)
    return opened.content
  }
  const callbackUrl = () => redirectUri(relay.publicUrl.origin, provider.issuer)
  /** Walks until an answer of the given host and path is about to be asked for, and returns its address. */
  const walkTo = async (browser: Browser, page: Visit, path: string): Promise<string> => {
    let visit = await browser.visit(page.url, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ username: 'ada', password: PASSWORD }).toString(),
    })
    while (visit.next !== undefined && new URL(visit.next).pathname !== path) visit = await browser.visit(visit.next)
    assert.ok(visit.next, `never led to ${path}`)
    return visit.next
  }

  describe('of a visitor', () => {
    it('leads from the wanted page through the provider back to the wanted page', async () => {
      const docs = relay.edge('docs', configFor(provider.issuer))
      const browser = new Browser()
      const page = await signInAs(browser, `${docs.url}/guide?page=2`)
      assert.equal(page.status, 200)
      assert.equal(page.body, 'hello user-1')
      assert.equal(page.url, `${docs.url}/guide?page=2`)
      assert.deepEqual(
        relay.reached.map(({ target }) => target),
        ['/guide?page=2'],
      )
      const again = await browser.fetch(`${docs.url}/data.json`)
      assert.equal(again.status, 200)
    })

    it('attack 24: puts no authorization code into any URL of an edge host', async () => {
      const docs = relay.edge('docs', configFor(provider.issuer))
      const visits: Visit[] = []
      await signInAs(new Browser({ onVisit: (visit) => visits.push(visit) }), docs.url)
      const shared = visits.find(({ url }) => new URL(url).hostname === 'relay.localhost')
      const code = new URL(shared!.url).searchParams.get('code')
      assert.ok(code && code.length > 10)
      const onEdge = visits.filter(({ url }) => new URL(url).hostname === docs.host)
      assert.equal(onEdge.length, 3)
      for (const visit of onEdge) {
        assert.ok(!visit.url.includes(code) && !visit.body.includes(code) && !visit.next?.includes(code), visit.url)
        assert.equal(visit.headers['access-control-allow-origin'], undefined)
      }
      assert.equal(shared!.headers['referrer-policy'], 'no-referrer')
      assert.equal(shared!.headers['set-cookie'], undefined)
    })

    it('attack 29: the redirect to the provider carries no byte of the app and is not stored', async () => {
      const docs = relay.edge('docs', configFor(provider.issuer))
      const visit = await new Browser().visit(`${docs.url}/secret`)
      assert.equal(visit.status, 302)
      assert.equal(visit.body, '')
      assert.equal(visit.headers['cache-control'], 'no-store')
      assert.deepEqual(relay.reached, [])
      const asked = new URL(visit.next!).searchParams
      assert.equal(asked.get('code_challenge_method'), 'S256')
      assert.equal(asked.get('redirect_uri'), callbackUrl())
      for (const name of ['state', 'nonce', 'code_challenge']) assert.ok(asked.get(name)!.length >= 43, name)
      assert.ok(!visit.next!.includes('secret'), 'the wanted path stays here')
    })

    it('writes nothing to the store before it succeeds', async () => {
      const docs = relay.edge('docs', configFor(provider.issuer))
      const before = store.writes
      const browser = new Browser()
      await browser.open(docs.url)
      await browser.fetch(`${docs.url}/api`)
      await browser.fetch(`${callbackUrl()}?code=x&state=y`)
      assert.equal(store.writes, before)
    })

    it('works for a public client, client_secret_basic, client_secret_post and several signing algorithms', async () => {
      const client = clientFor(port)
      const { client_secret: _secret, ...open } = client
      const other = await startProvider(port, {
        clients: [
          { ...client, client_id: 'basic', token_endpoint_auth_method: 'client_secret_basic' },
          { ...client, client_id: 'post', token_endpoint_auth_method: 'client_secret_post' },
          { ...client, client_id: 'es256', id_token_signed_response_alg: 'ES256' },
          { ...client, client_id: 'hs256', id_token_signed_response_alg: 'HS256' },
          { ...open, client_id: 'public', token_endpoint_auth_method: 'none' },
        ],
      })
      try {
        const { client_secret: _unused, ...secretless } = configFor(other.issuer, { client_id: 'public', auth_id: 'e' })
        const configs = [
          configFor(other.issuer, { client_id: 'basic', auth_id: 'a' }),
          configFor(other.issuer, { client_id: 'post', auth_id: 'b', client_authentication: 'client_secret_post' }),
          configFor(other.issuer, { client_id: 'es256', auth_id: 'c' }),
          configFor(other.issuer, { client_id: 'hs256', auth_id: 'd', id_token_alg: 'HS256' }),
          secretless,
        ]
        for (const config of configs) {
          const edge = relay.edge(`a-${config.client_id}`, config)
          const page = await signInAs(new Browser(), edge.url)
          assert.equal(page.status, 200, `${config.client_id}: ${page.body} ${relay.logLines.at(-1)}`)
        }
      } finally {
        await other.close()
      }
    })

    it('asks userinfo if the ID token has only the subject', async () => {
      const other = await startProvider(port, { configure: { conformIdTokenClaims: true } })
      try {
        const edge = relay.edge('userinfo', configFor(other.issuer, { allow: { emails: ['ada@example.com'] } }))
        assert.equal((await signInAs(new Browser(), edge.url)).status, 200)
        assert.equal(relay.reached[0]?.identity?.name, 'Ada Lovelace')
      } finally {
        await other.close()
      }
    })
  })

  describe('cookies', () => {
    it('are HttpOnly, SameSite=Lax and host-wide; the state cookie is deleted when it is used', async () => {
      const docs = relay.edge('docs', configFor(provider.issuer))
      const browser = new Browser()
      const page = await browser.open(docs.url)
      const state = browser.cookie(docs.host, 'sallyport.')!
      assert.match(state.name, /^sallyport\.[0-9a-f]{10}\.state\.[\w-]{20,}$/)
      const done = await browser.submit(page, { username: 'ada', password: PASSWORD })
      assert.equal(done.status, 200)
      const session = sessionCookie(browser, docs.host)!
      assert.match(session.value, /^[\w-]{43}$/)
      assert.deepEqual([...browser.cookies.get(docs.host)!.values()], [session])
      for (const cookie of [state, session]) {
        assert.deepEqual([cookie.path, cookie.httpOnly, cookie.sameSite, cookie.secure], ['/', true, 'lax', false])
      }
      assert.ok(!JSON.stringify([...store.rows]).includes(session.value), 'only a hash is stored')
    })

    it('have the __Host- prefix and Secure if the edge is on https', async () => {
      await relay.close()
      relay = await startRelay({ store, port, scheme: 'https' })
      const docs = relay.edge('docs', configFor(provider.issuer))
      const [line] = (await new Browser().visit(docs.url)).headers['set-cookie']!
      assert.match(
        line!,
        /^__Host-sallyport\.[0-9a-f]{10}\.state\.[^;]+; Path=\/; Max-Age=900; HttpOnly; SameSite=Lax; Secure$/,
      )
    })

    it('let ten tabs sign in at the same time, in any order', async () => {
      const docs = relay.edge('docs', configFor(provider.issuer))
      const browser = new Browser()
      const tabs: Visit[] = []
      for (let tab = 0; tab < 10; tab++) tabs.push(await browser.visit(`${docs.url}/tab/${tab}`))
      const first = await browser.open(tabs[9]!.next!)
      assert.equal((await browser.submit(first, { username: 'ada', password: PASSWORD })).url, `${docs.url}/tab/9`)
      for (const tab of [0, 5, 2, 8, 1, 3, 7, 4, 6]) {
        const page = await browser.open(tabs[tab]!.next!) // the provider knows the visitor by now
        assert.equal(page.status, 200)
        assert.equal(page.url, `${docs.url}/tab/${tab}`)
      }
      assert.equal(relay.signIn.sessionCount, 1, 'each sign-in replaces the session of the browser')
    })

    it('of state stay at 32 and 8 KiB, however many sign-ins are begun', async () => {
      const docs = relay.edge('docs', configFor(provider.issuer))
      const browser = new Browser()
      for (let i = 0; i < 40; i++) {
        now += 1
        await browser.visit(`${docs.url}/x`)
      }
      assert.equal(browser.cookies.get(docs.host)!.size, 32)
      assert.ok(browser.cookieHeader(docs.url).length <= 8192)
      for (let i = 0; i < 6; i++) {
        now += 1
        await browser.visit(`${docs.url}/${randomBytes(1000).toString('base64url')}`)
        assert.ok(browser.cookieHeader(docs.url).length <= 8192 + 2 * 32)
      }
      const last = await browser.visit(`${docs.url}/last`)
      const page = await browser.submit(await browser.open(last.next!), { username: 'ada', password: PASSWORD })
      assert.equal(page.url, `${docs.url}/last`, 'the newest one works')
    })
  })

  describe('without a session', () => {
    it('answers other requests than navigations with 401, a challenge and a problem document', async () => {
      const docs = relay.edge('docs', configFor(provider.issuer))
      const asked: [method: string, headers: Record<string, string>][] = [
        ['GET', { accept: 'application/json' }],
        ['GET', { accept: '*/*' }],
        ['GET', { accept: 'text/html', 'sec-fetch-dest': 'empty' }],
        ['GET', { accept: 'text/html', 'sec-fetch-dest': 'iframe' }],
        ['POST', { accept: 'text/html', 'sec-fetch-dest': 'document' }],
        ['DELETE', {}],
        ['OPTIONS', { 'sallyport-auth-user-id': 'user-1', cookie: 'sallyport.x.session=y' }],
      ]
      for (const [method, headers] of asked) {
        const answer = await new Browser().fetch(`${docs.url}/`, { method, headers })
        assert.equal(answer.status, 401, method)
        assert.match(String(answer.headers['www-authenticate']), /^Cookie realm="edg_docs"/)
        assert.equal(answer.headers['sallyport-error-code'], 'ERR_SIGN_IN_REQUIRED')
        assert.equal(answer.headers['set-cookie'], undefined)
      }
      assert.deepEqual(relay.reached, [])
    })

    it('takes a made-up, empty, overlong or foreign cookie for none', async () => {
      const docs = relay.edge('docs', configFor(provider.issuer))
      const name = `sallyport.${configFor(provider.issuer).auth_id}.session`
      for (const value of ['', 'x', 'A'.repeat(43), 'A'.repeat(5000), '__proto__']) {
        assert.equal((await new Browser().fetch(docs.url, { headers: { cookie: `${name}=${value}` } })).status, 401)
      }
    })

    it('attack 27: takes no box of another kind for a session, a state or a hand-over', async () => {
      const docs = relay.edge('docs', configFor(provider.issuer))
      const browser = new Browser()
      const begun = await browser.visit(docs.url)
      const state = new URL(begun.next!).searchParams.get('state')!
      const { name, value } = browser.cookie(docs.host, 'sallyport.')!
      const session = name.replace(/state\..*/, 'session')
      for (const forged of [state, value]) {
        assert.equal((await browser.fetch(docs.url, { headers: { cookie: `${session}=${forged}` } })).status, 401)
        const handed = await browser.visit(`${docs.url}/.sallyport/oidc/callback?box=${forged}`)
        assert.equal(handed.status, 400)
      }
      const shared = await browser.visit(`${callbackUrl()}?code=x&state=${value}`)
      assert.equal(shared.status, 400)
      assert.equal(relay.signIn.sessionCount, 0)
    })
  })

  describe('callback', () => {
    it('attack 20: without state, with an unknown or a changed one → 400', async () => {
      relay.edge('docs', configFor(provider.issuer))
      const begun = await new Browser().visit(`http://docs.localhost:${port}/`)
      const state = new URL(begun.next!).searchParams.get('state')!
      for (const query of [
        '',
        '?code=x',
        '?code=x&state=',
        '?code=x&state=unknown',
        `?code=x&state=${state.slice(0, -4)}AAAA`,
        `?state=${state}`,
        `?code=${'x'.repeat(5000)}&state=${state}`,
      ]) {
        const answer = await new Browser().visit(`${callbackUrl()}${query}`)
        assert.equal(answer.status, 400, query)
        assert.equal(answer.headers['set-cookie'], undefined)
      }
      assert.deepEqual(relay.reached, [])
    })

    it('attack 20: of another browser → 400 and no session in either', async () => {
      const docs = relay.edge('docs', configFor(provider.issuer))
      const [victim, attacker] = [new Browser(), new Browser()]
      const stolen = await walkTo(attacker, await attacker.open(docs.url), '/.sallyport/oidc/callback')
      await victim.visit(docs.url) // has a state cookie, but another one
      const answer = await victim.visit(stolen)
      assert.equal(answer.status, 400)
      assert.equal(answer.headers['sallyport-error-code'], 'ERR_SIGN_IN_EXPIRED')
      assert.equal(sessionCookie(victim, docs.host), undefined)
      assert.equal(relay.signIn.sessionCount, 0)
      // Neither under the victim's cookie name: its content is bound to its own state.
      const own = victim.cookie(docs.host, 'sallyport.')!
      const theirs = attacker.cookie(docs.host, 'sallyport.')!
      const swapped = await new Browser().visit(stolen, { headers: { cookie: `${theirs.name}=${own.value}` } })
      assert.equal(swapped.status, 400)
      assert.equal(relay.signIn.sessionCount, 0)
      assert.deepEqual(relay.reached, [])
    })

    it('attack 20: replayed → no second session, and the first one stays', async () => {
      const docs = relay.edge('docs', configFor(provider.issuer))
      const browser = new Browser()
      const handOver = await walkTo(browser, await browser.open(docs.url), '/.sallyport/oidc/callback')
      const held = browser.cookieHeader(docs.url)
      assert.equal((await browser.visit(handOver)).status, 302)
      const again = await browser.visit(handOver)
      assert.deepEqual([again.status, again.next, again.headers['set-cookie']], [302, `${docs.url}/`, undefined])
      assert.equal((await new Browser().visit(handOver)).status, 400, 'and nobody else gets anywhere with it')
      assert.equal((await browser.fetch(docs.url)).status, 200)
      // Even with the state cookie kept aside: the provider redeems a code once.
      const kept = await new Browser().visit(handOver, { headers: { cookie: held } })
      assert.equal(kept.status, 400)
      assert.equal(relay.signIn.sessionCount, 1)
    })

    it('attack 20: with a tampered PKCE verifier or state cookie → 400', async () => {
      const docs = relay.edge('docs', configFor(provider.issuer))
      const browser = new Browser()
      const handOver = await walkTo(browser, await browser.open(docs.url), '/.sallyport/oidc/callback')
      const { name, value } = browser.cookie(docs.host, 'sallyport.')!
      for (const wrong of ['', 'x', value.slice(0, -6), `${value.slice(0, 40)}AAAAAA${value.slice(46)}`]) {
        const answer = await new Browser().visit(handOver, { headers: { cookie: `${name}=${wrong}` } })
        assert.equal(answer.status, 400, wrong)
      }
      assert.equal(relay.signIn.sessionCount, 0)
      assert.deepEqual(relay.reached, [])
    })

    it('attack 20: after fifteen minutes → 400 and no code handed over; a hand-over after one', async () => {
      const docs = relay.edge('docs', configFor(provider.issuer))
      const browser = new Browser()
      const callback = await walkTo(browser, await browser.open(docs.url), callbackPath(provider.issuer))
      now += 15 * 60_000 - 1
      const handOver = await browser.visit(callback)
      assert.equal(handOver.status, 303)
      now += 1
      const handed = await browser.visit(callback)
      const box = new URL(handed.next!).searchParams.get('box')!
      assert.deepEqual(Object.keys(openHandOver(box)), ['state'])
      const late = await browser.visit(handed.next!)
      assert.equal(late.status, 400)
      assert.equal(late.headers['sallyport-error-code'], 'ERR_SIGN_IN_EXPIRED')

      const second = new Browser()
      const handedOver = await walkTo(second, await second.open(docs.url), '/.sallyport/oidc/callback')
      now += 60_000
      assert.equal((await second.visit(handedOver)).status, 400)
      assert.equal(relay.signIn.sessionCount, 0)
    })

    it('for a sign-in that is no longer configured → 400, and nothing is handed over', async () => {
      const docs = relay.edge('docs', configFor(provider.issuer, { auth_id: 'x' }))
      const browser = new Browser()
      const callback = await walkTo(browser, await browser.open(docs.url), callbackPath(provider.issuer))
      await relay.close()
      relay = await startRelay({ store, port })
      relay.edge('docs', configFor(provider.issuer, { auth_id: 'x', client_id: 'other' }))
      assert.equal((await browser.visit(callback)).status, 400)
    })

    it('of one edge is refused on another, even in the same browser', async () => {
      const docs = relay.edge('docs', configFor(provider.issuer))
      const wiki = relay.edge('wiki', configFor(provider.issuer))
      const browser = new Browser()
      const handOver = new URL(await walkTo(browser, await browser.open(docs.url), '/.sallyport/oidc/callback'))
      handOver.hostname = wiki.host
      const answer = await browser.visit(handOver, { headers: { cookie: browser.cookieHeader(docs.url) } })
      assert.equal(answer.status, 400)
      assert.equal(relay.signIn.sessionCount, 0)
    })

    it('is limited for each address', async () => {
      await relay.close()
      relay = await startRelay({ store, port, callbacksPerMinute: 3 })
      const statuses: number[] = []
      for (let i = 0; i < 4; i++) statuses.push((await new Browser().visit(callbackUrl())).status)
      assert.deepEqual(statuses, [400, 400, 400, 429])
    })

    it('attack 19: goes to the root page if the wanted address is no path here', async () => {
      const docs = relay.edge('docs', configFor(provider.issuer))
      for (const wanted of [
        '//evil.example',
        '/\\evil.example',
        'https:evil.example',
        'javascript:alert(1)',
        '/%09/evil.example',
        '/.sallyport/logout',
      ]) {
        const page = await signInAs(
          new Browser(),
          `${docs.url}/.sallyport/login?${new URLSearchParams({ return_to: wanted }).toString()}`,
        )
        assert.equal(page.url, `${docs.url}/`, wanted)
      }
      assert.deepEqual(new Set(relay.reached.map(({ target }) => target)), new Set(['/']))
      // Also if the request target itself is such an address.
      const evil = await new Browser().open(`${docs.url}//evil.example/x`)
      const browser = new Browser()
      assert.ok(evil.url.includes('idp.localhost'))
      const page = await signInAs(browser, `${docs.url}//evil.example/x`)
      assert.equal(page.url, `${docs.url}/`)
    })
  })

  describe('session', () => {
    it('attack 24: of one edge is invalid on another edge, and for another sign-in of the same edge', async () => {
      const docs = relay.edge('docs', configFor(provider.issuer))
      const wiki = relay.edge('wiki', configFor(provider.issuer))
      const other = relay.edge('other', configFor(provider.issuer, { auth_id: 'other' }))
      const browser = new Browser()
      await signInAs(browser, docs.url)
      const { name, value } = sessionCookie(browser, docs.host)!
      assert.equal((await browser.fetch(docs.url, { headers: { cookie: `${name}=${value}` } })).status, 200)
      assert.equal((await browser.fetch(wiki.url, { headers: { cookie: `${name}=${value}` } })).status, 401)
      assert.equal(
        (await browser.fetch(other.url, { headers: { cookie: `sallyport.other.session=${value}` } })).status,
        401,
      )
      assert.equal(relay.reached.filter(({ edge }) => edge !== docs.id).length, 0)
    })

    it('attack 24: gets a new id at every sign-in, and the old one ends', async () => {
      const docs = relay.edge('docs', configFor(provider.issuer))
      const browser = new Browser()
      await signInAs(browser, docs.url)
      const first = sessionCookie(browser, docs.host)!
      await browser.open(`${docs.url}/.sallyport/login`)
      const second = sessionCookie(browser, docs.host)!
      assert.notEqual(first.value, second.value)
      assert.equal(relay.signIn.sessionCount, 1)
      relay.reached.length = 0
      assert.equal(
        (await new Browser().fetch(docs.url, { headers: { cookie: `${first.name}=${first.value}` } })).status,
        401,
      )
      assert.deepEqual(relay.reached, [])
    })

    it('attack 24: an id planted before signing in is not the one afterwards', async () => {
      const docs = relay.edge('docs', configFor(provider.issuer))
      const [attacker, victim] = [new Browser(), new Browser()]
      await signInAs(attacker, docs.url, 'mallory')
      const planted = sessionCookie(attacker, docs.host)!
      const page = await victim.open(`${docs.url}/.sallyport/login`)
      victim.cookies.get(docs.host)!.set(`${planted.name};/`, planted)
      await victim.submit(page, { username: 'ada', password: PASSWORD })
      assert.notEqual(sessionCookie(victim, docs.host)!.value, planted.value)
      relay.reached.length = 0
      assert.equal((await attacker.fetch(docs.url)).status, 401, 'the planted session has ended')
      assert.deepEqual(relay.reached, [])
    })

    it('survives a restart of the relay', async () => {
      const docs = relay.edge('docs', configFor(provider.issuer))
      const browser = new Browser()
      await signInAs(browser, docs.url)
      await relay.close()
      relay = await startRelay({ store, port })
      relay.edge('docs', configFor(provider.issuer))
      const page = await browser.fetch(docs.url)
      assert.equal(page.status, 200)
      assert.equal(relay.reached[0]?.identity?.email, 'ada@example.com')
    })

    it('survives a restart with the store of the relay, too', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'sallyport-oidc-'))
      try {
        const browser = new Browser()
        for (const round of ['sign in', 'restart']) {
          const file = await openStore({ type: 'sqlite', path: join(folder, 'relay.db') })
          await relay.close()
          relay = await startRelay({ store: file, port })
          const docs = relay.edge('docs', configFor(provider.issuer))
          if (round === 'sign in') await signInAs(browser, docs.url)
          assert.equal((await browser.fetch(docs.url)).status, 200, round)
          await relay.close()
          await file.close()
        }
        relay = await startRelay({ store, port }) // for afterEach
      } finally {
        await rm(folder, { recursive: true })
      }
    })

    it('ends when it is idle for too long, and in any case at its maximum age', async () => {
      const docs = relay.edge(
        'docs',
        configFor(provider.issuer, { idle_session_duration: HOUR, max_session_duration: 3 * HOUR }),
      )
      const [idle, busy] = [new Browser(), new Browser()]
      await signInAs(idle, docs.url)
      await signInAs(busy, docs.url)
      for (let step = 0; step < 5; step++) {
        now += HOUR / 2
        assert.equal((await busy.fetch(docs.url)).status, 200)
      }
      assert.equal((await idle.fetch(docs.url)).status, 401)
      now += HOUR / 2
      assert.equal((await busy.fetch(docs.url)).status, 401)
    })

    it('writes its last use at most once a minute', async () => {
      const docs = relay.edge('docs', configFor(provider.issuer))
      const browser = new Browser()
      await signInAs(browser, docs.url)
      const before = store.writes
      for (let i = 0; i < 5; i++) await browser.fetch(docs.url)
      assert.equal(store.writes, before)
      now += 60_000
      for (let i = 0; i < 5; i++) await browser.fetch(docs.url)
      assert.equal(store.writes, before + 1)
    })

    it('continues while the store is down; new sign-ins get 503 and work again afterwards', async () => {
      const docs = relay.edge('docs', configFor(provider.issuer))
      const [old, fresh] = [new Browser(), new Browser()]
      await signInAs(old, docs.url)
      store.down = true
      now += 120_000
      assert.equal((await old.fetch(docs.url)).status, 200)
      const refused = await signInAs(fresh, docs.url)
      assert.equal(refused.status, 503)
      assert.equal(refused.headers['sallyport-error-code'], 'ERR_STORE_UNAVAILABLE')
      assert.equal(sessionCookie(fresh, docs.host), undefined)
      assert.equal(relay.signIn.sessionCount, 1)
      store.down = false
      assert.equal((await fresh.open(docs.url)).status, 200)
    })

    const sessionKeys = () =>
      [...store.rows.keys()].flatMap((key) => (key.startsWith('sessions/') ? [key.slice('sessions/'.length)] : []))

    it('attack 33: ends with everything under way in it when it is revoked, here or by another process', async () => {
      const docs = relay.edge('docs', configFor(provider.issuer))
      for (const where of ['here', 'elsewhere']) {
        const browser = new Browser()
        await signInAs(browser, docs.url)
        const cookie = browser.cookieHeader(docs.url)
        const stream = await openStream(docs, cookie)
        const socket = await openUpgrade(docs, { cookie })
        assert.equal(socket.statusCode, 101)
        const [session] = relay.signIn.sessions.list()
        assert.equal(session?.exchanges, 2)
        assert.equal(session?.email, 'ada@example.com')
        const cut = Promise.all([closed(stream), closed(socket)])
        if (where === 'here') assert.equal(await relay.signIn.sessions.revoke(session.id), true)
        else await store.bucket('sessions', (row) => row).delete(sessionKeys()[0]!)
        await cut
        assert.equal((await browser.fetch(docs.url)).status, 401)
        assert.equal(relay.signIn.sessionCount, 0)
        assert.equal(await relay.signIn.sessions.revoke(session.id), false)
      }
    })
  })

  describe('allow', () => {
    it('failing is 403 on every request, with a way to sign out, and no other sign-in', async () => {
      const docs = relay.edge('docs', configFor(provider.issuer, { allow: { domains: ['example.com'] } }))
      const browser = new Browser()
      const page = await signInAs(browser, docs.url, 'mallory')
      assert.equal(page.status, 403)
      assert.equal(page.headers['sallyport-error-code'], 'ERR_NOT_ALLOWED')
      assert.match(page.body, /signed in as <strong><bdi>X\r\nSet-Cookie: a=b\0 ☃<\/bdi>, <bdi>m@evil\.example<\/bdi>/)
      assert.match(page.body, /<form method="post" action="\/\.sallyport\/logout">/)
      assert.match(String(page.headers['content-security-policy']), /^default-src 'none'.*form-action 'self'/)
      assert.equal(page.headers['set-cookie'], undefined)
      assert.equal((await browser.fetch(`${docs.url}/api`)).status, 403)
      assert.deepEqual(relay.reached, [])
      // first-hour 13: the log says who, from the end of the sign-in on.
      const ofEdge = relay.exchanges.filter(({ host }) => host === docs.host)
      assert.deepEqual(
        ofEdge.map(({ user }) => user),
        [undefined, 'user-3', 'user-3', 'user-3'],
      )
      assert.ok(ofEdge.every(({ identity }) => identity === undefined))
      assert.equal((await signInAs(new Browser(), docs.url)).status, 200)
    })

    it('attack 23: email_verified: false is not an email, neither for allow nor for the app', async () => {
      const strict = relay.edge('strict', configFor(provider.issuer, { allow: { domains: ['example.com'] } }))
      assert.equal((await signInAs(new Browser(), strict.url, 'eve')).status, 403)
      assert.equal(relay.reached.length, 0)
      const open = relay.edge('open', configFor(provider.issuer))
      assert.equal((await signInAs(new Browser(), open.url, 'eve')).status, 200)
      assert.equal(relay.reached[0]?.identity?.email, undefined)
    })

    it('names the signed-in visitor, escaped, and says if the address does not count', async () => {
      const strict = relay.edge('strict', configFor(provider.issuer, { allow: { emails: ['eve@example.com'] } }))
      const page = await signInAs(new Browser(), strict.url, 'eve')
      assert.equal(page.status, 403)
      assert.match(page.body, /does not say that this email address is verified/)
      const nobody = relay.edge('nobody', configFor(provider.issuer, { deny: { domains: ['script.example'] } }))
      const script = await signInAs(new Browser(), nobody.url, 'script')
      assert.equal(script.status, 403)
      assert.ok(!script.body.includes('<script') && script.body.includes('&lt;script&gt;alert(1)&lt;/script&gt;'))
      assert.deepEqual(relay.reached, [])
    })

    it('says whether the provider sends no value for the deciding claim, or only others', async () => {
      const scopes = ['openid', 'profile', 'email'] // and not groups
      const allow = {
        groups: { claim: 'groups', any_of: ['staff'] },
        claims: [{ claim: 'constructor', any_of: ['x'] }],
      }
      const docs = relay.edge('docs', configFor(provider.issuer, { scopes, allow }))
      const page = await signInAs(new Browser(), docs.url)
      assert.equal(page.status, 403)
      assert.match(page.body, /The identity provider names no groups for you/)
      assert.match(
        relay.logLines.join(''),
        /not_listed, and the provider sent nothing as groups, and the provider sent nothing as constructor/,
      )
      const others = { groups: { claim: 'groups', any_of: ['admin'] } }
      const wiki = relay.edge('wiki', configFor(provider.issuer, { allow: others }))
      const refused = await signInAs(new Browser(), wiki.url)
      assert.equal(refused.status, 403)
      assert.doesNotMatch(refused.body, /names no groups/)
      assert.deepEqual(relay.reached, [])
    })

    it('attack 23: an address without word on its verification counts only if the route says so', async () => {
      const config = { allow: { domains: ['silent.example'] } }
      const strict = relay.edge('strict', configFor(provider.issuer, config))
      assert.equal((await signInAs(new Browser(), strict.url, 'silent')).status, 403)
      assert.equal(relay.reached.length, 0)
      const lax = relay.edge('lax', configFor(provider.issuer, { ...config, email_verified: 'if_present' }))
      assert.equal((await signInAs(new Browser(), lax.url, 'silent')).status, 200)
      assert.equal(relay.reached[0]?.identity?.email, 'sam@silent.example')
    })

    it('denies before it allows, on every request', async () => {
      const docs = relay.edge(
        'docs',
        configFor(provider.issuer, { allow: { domains: ['example.com'] }, deny: { emails: ['ada@example.com'] } }),
      )
      const browser = new Browser()
      assert.equal((await signInAs(browser, docs.url)).status, 403)
      assert.equal((await browser.fetch(`${docs.url}/api`)).status, 403)
      assert.deepEqual(relay.reached, [])
    })

    it('of two actions on one route must both let the visitor pass, in one session', async () => {
      const domain = configFor(provider.issuer, { allow: { domains: ['example.com'] } })
      const staff = configFor(provider.issuer, { allow: { groups: { claim: 'groups', any_of: ['staff'] } } })
      const admin = configFor(provider.issuer, { allow: { groups: { claim: 'groups', any_of: ['admin'] } } })
      const both = relay.edge('both', domain, staff)
      assert.equal((await signInAs(new Browser(), both.url)).status, 200)
      assert.equal(relay.signIn.sessionCount, 1)
      relay.reached.length = 0
      const half = relay.edge('half', domain, admin)
      assert.equal((await signInAs(new Browser(), half.url)).status, 403)
      assert.equal(relay.reached.length, 0)
    })

    it('is checked again if the configuration has changed', async () => {
      const docs = relay.edge('docs', configFor(provider.issuer))
      const browser = new Browser()
      await signInAs(browser, docs.url)
      relay.edge('docs', configFor(provider.issuer, { allow: { groups: { claim: 'groups', any_of: ['admin'] } } }))
      assert.equal((await browser.fetch(docs.url)).status, 403)
      // The session lacks this claim: a new sign-in reads it.
      relay.edge('docs', configFor(provider.issuer, { allow: { groups: { claim: 'name', any_of: ['Ada Lovelace'] } } }))
      assert.equal((await browser.fetch(docs.url)).status, 401)
      assert.equal((await browser.open(docs.url)).status, 200)
    })
  })

  describe('identity', () => {
    it('is one frozen object for a session, and its token is signed once a minute', async () => {
      const docs = relay.edge('docs', configFor(provider.issuer))
      const browser = new Browser()
      await signInAs(browser, docs.url)
      await Promise.all([browser.fetch(docs.url), browser.fetch(docs.url)])
      const [first, second, third] = relay.reached.map(({ identity }) => identity)
      assert.ok(first === second && second === third && Object.isFrozen(first))
      now += 60_000
      await browser.fetch(docs.url)
      assert.notEqual(relay.reached.at(-1)?.identity?.jwt, first?.jwt)
    })

    it('comes with a token that an app can check with the published keys', async () => {
      const docs = relay.edge('docs', configFor(provider.issuer))
      await signInAs(new Browser(), docs.url)
      const published = await new Browser().fetch(`${relay.publicUrl.href}.well-known/jwks.json`)
      const keys = JSON.parse(published.body) as JSONWebKeySet
      assert.deepEqual(Object.keys(keys.keys[0]!).toSorted(), ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'])
      const { payload, protectedHeader } = await jwtVerify(relay.reached[0]!.identity!.jwt!, createLocalJWKSet(keys), {
        issuer: relay.publicUrl.origin,
        audience: 'edg_docs',
        algorithms: ['ES256'],
      })
      assert.equal(protectedHeader.alg, 'ES256')
      assert.deepEqual(
        [payload.sub, payload.email, payload.name, payload.groups, payload.idp, payload.exp! - payload.iat!],
        ['user-1', 'ada@example.com', 'Ada Lovelace', ['staff'], provider.issuer, 300],
      )
      assert.ok(!JSON.stringify([...store.rows]).includes('"d":'), 'the private key is sealed')
    })

    it('keeps its signing key over restarts, and says so if the relay key has changed', async () => {
      const keysOf = async () => (await new Browser().fetch(`${relay.publicUrl.href}.well-known/jwks.json`)).body
      const before = await keysOf()
      await relay.close()
      relay = await startRelay({ store, port })
      assert.equal(await keysOf(), before)
      await assert.rejects(startRelay({ store, keys: testKeys('lost') }), /another relay key/)
    })

    it('has no token if identity_jwt is false', async () => {
      const docs = relay.edge('docs', configFor(provider.issuer, { identity_jwt: false }))
      await signInAs(new Browser(), docs.url)
      assert.equal(relay.reached[0]?.identity?.jwt, undefined)
      assert.equal(relay.reached[0]?.identity?.subject, 'user-1')
    })

    it('attack 14: keeps odd claims as text and puts none into an answer of ours', async () => {
      const docs = relay.edge('docs', configFor(provider.issuer))
      const visits: Visit[] = []
      await signInAs(new Browser({ onVisit: (visit) => visits.push(visit) }), docs.url, 'mallory')
      assert.equal(relay.reached[0]?.identity?.name, 'X\r\nSet-Cookie: a=b\0 ☃')
      for (const { headers } of visits) assert.ok(!String(headers['set-cookie'] ?? '').includes('a=b'))
    })
  })

  describe('upgrades', () => {
    it('attack 30: without a session get 401 and reach nobody', async () => {
      const docs = relay.edge('docs', configFor(provider.issuer))
      const answer = await openUpgrade(docs, {})
      assert.equal(answer.statusCode, 401)
      assert.deepEqual(relay.reached, [])
    })

    it('attack 32: of another origin are refused, unless the route allows it; no origin is a program', async () => {
      const config = configFor(provider.issuer, { allowed_origins: ['https://app.example.com'] })
      const docs = relay.edge('docs', config)
      const browser = new Browser()
      await signInAs(browser, docs.url)
      relay.reached.length = 0
      const cookie = browser.cookieHeader(docs.url)
      const evil = [
        'null',
        '',
        'https://evil.example',
        `${docs.origin}.evil.example`,
        docs.origin.replace('http:', 'https:'),
        `http://wiki.localhost:${port}`,
        `http://docs.localhost`,
        'https://app.example.com.evil.example',
      ]
      for (const origin of evil) {
        const answer = await openUpgrade(docs, { cookie, origin })
        assert.equal(answer.statusCode, 403, origin)
        assert.equal(answer.headers['sallyport-error-code'], 'ERR_ORIGIN_REFUSED')
        assert.equal(relay.exchanges.at(-1)?.user, 'user-1', 'first-hour 13')
      }
      assert.deepEqual(relay.reached, [])
      for (const origin of [docs.origin, 'https://app.example.com', undefined]) {
        const answer = await openUpgrade(docs, { cookie, ...(origin !== undefined && { origin }) })
        assert.equal(answer.statusCode, 101, origin)
        answer.destroy()
      }
    })
  })

  describe('with alternatives', () => {
    const choices = (page: { body: string }) =>
      [...page.body.matchAll(/<a href="([^"]*)">/g)].map(([, href]) => href!.replaceAll('&amp;', '&'))

    async function withTwo(run: (other: IdentityProvider) => Promise<void>): Promise<void> {
      const other = await startProvider(port)
      try {
        await run(other)
      } finally {
        await other.close()
      }
    }

    it('has the visitor choose, and takes a session of any of them', () =>
      withTwo(async (other) => {
        const docs = relay.edge(
          'docs',
          configFor(provider.issuer, {
            title: 'Staff <of> the house',
            alternatives: [configFor(other.issuer, { auth_id: 'partners' })],
          }),
        )
        const browser = new Browser()
        const page = await browser.open(`${docs.url}/wanted?x=1`)
        assert.equal(page.status, 401)
        assert.equal(page.headers['sallyport-error-code'], 'ERR_SIGN_IN_REQUIRED')
        assert.match(page.body, /<title>Choose how to sign in · docs\.localhost<\/title>/)
        assert.match(page.body, /Staff &lt;of&gt; the house/)
        assert.match(page.body, new RegExp(`<bdi>${new URL(other.issuer).host}</bdi>`))
        assert.match(String(page.headers['content-security-policy']), /^default-src 'none'/)
        const [staff, partners, ...more] = choices(page)
        assert.deepEqual(more, [])
        for (const href of [staff, partners]) {
          const visitor = new Browser()
          const landed = await signInAs(visitor, `${docs.url}${href}`)
          assert.equal(landed.url, `${docs.url}/wanted?x=1`)
          assert.equal(landed.status, 200)
          assert.equal((await visitor.fetch(docs.url)).status, 200)
        }
        assert.deepEqual(
          relay.reached.map(({ identity }) => identity?.issuer),
          [provider.issuer, provider.issuer, other.issuer, other.issuer],
        )
      }))

    it('asks programs to sign in, as one provider would', async () => {
      const alternatives = [configFor(provider.issuer, { auth_id: 'again' })]
      const docs = relay.edge('docs', configFor(provider.issuer, { alternatives }))
      const answer = await new Browser().fetch(`${docs.url}/api`)
      assert.equal(answer.status, 401)
      assert.match(String(answer.headers['www-authenticate']), /^Cookie realm="edg_docs"/)
      assert.match(String(answer.headers['content-type']), /problem\+json/)
      assert.deepEqual(relay.reached, [])
    })

    it('follows the lists of each, and refuses visitors who are in none', () =>
      withTwo(async (other) => {
        const docs = relay.edge(
          'docs',
          configFor(provider.issuer, {
            allow: { domains: ['nobody.example'] },
            alternatives: [configFor(other.issuer, { allow: { emails: ['ada@example.com'] } })],
          }),
        )
        const browser = new Browser()
        const [first, second] = choices(await browser.open(docs.url))
        assert.equal((await signInAs(browser, `${docs.url}${first}`)).status, 403)
        assert.equal((await browser.open(docs.url)).status, 403, 'not another choice, which would say nothing')
        assert.equal(relay.reached.length, 0)
        // The second session passes, although the first does not.
        assert.equal((await signInAs(browser, `${docs.url}${second}`)).status, 200)
        assert.equal(relay.reached.at(-1)?.identity?.issuer, other.issuer)
      }))

    it('attack 30: lets no upgrade pass without a session of one of them', async () => {
      const alternatives = [configFor(provider.issuer, { auth_id: 'again' })]
      const docs = relay.edge('docs', configFor(provider.issuer, { alternatives }))
      assert.equal((await openUpgrade(docs, {})).statusCode, 401)
      assert.deepEqual(relay.reached, [])
    })

    it('attack 24: takes no session of a provider that is not among them', async () => {
      const docs = relay.edge('docs', configFor(provider.issuer, { auth_id: 'other' }))
      const browser = new Browser()
      await signInAs(browser, docs.url)
      relay.edge(
        'docs',
        configFor(provider.issuer, { auth_id: 'a', alternatives: [configFor(provider.issuer, { auth_id: 'b' })] }),
      )
      relay.reached.length = 0
      assert.equal((await browser.open(docs.url)).status, 401)
      assert.equal(relay.reached.length, 0)
    })
  })

  describe('login page', () => {
    it('has the provider ask for the password again with force=1', async () => {
      const docs = relay.edge('docs', configFor(provider.issuer))
      const browser = new Browser()
      await signInAs(browser, docs.url)
      const forced = await browser.open(`${docs.url}/.sallyport/login?force=1&return_to=/after`)
      assert.match(forced.url, /\/sign-in\//)
      const page = await browser.submit(forced, { username: 'eve', password: PASSWORD })
      assert.equal(page.url, `${docs.url}/after`, page.body)
    })

    it('and force_reauthentication do not accept an earlier sign-in at the provider', async () => {
      const docs = relay.edge('docs', configFor(provider.issuer))
      const vault = relay.edge('vault', configFor(provider.issuer, { force_reauthentication: true }))
      const browser = new Browser()
      await signInAs(browser, docs.url)
      const asked = await browser.open(vault.url)
      assert.match(asked.url, /\/sign-in\//, 'the provider asks again')
      assert.equal((await browser.submit(asked, { username: 'ada', password: PASSWORD })).status, 200)
      assert.equal((await browser.open(vault.url)).status, 200, 'once for a session')

      // A visitor who takes prompt and max_age out of the URL gets in at the provider, and not here.
      for (const start of [`${docs.url}/.sallyport/login?force=1`, vault.url]) {
        browser.cookies.delete(vault.host)
        relay.reached.length = 0
        const begun = await browser.visit(start)
        const authorize = new URL(begun.next ?? '')
        assert.equal(authorize.searchParams.get('prompt'), 'login')
        assert.equal(authorize.searchParams.get('max_age'), '0')
        authorize.searchParams.delete('prompt')
        authorize.searchParams.delete('max_age')
        const page = await browser.open(authorize.href)
        assert.equal(page.status, 400, page.body)
        assert.match(page.body, /was to ask you for your password again/)
        assert.equal(relay.reached.length, 0)
      }
    })

    it('lets the visitor choose if the edge has several sign-ins, which are independent', async () => {
      const first = configFor(provider.issuer, { auth_id: 'first' })
      const second = configFor(provider.issuer, { auth_id: 'second' })
      const docs = relay.edge('docs', first, second)
      const browser = new Browser()
      const choice = await browser.open(`${docs.url}/.sallyport/login?return_to=/"><b>`)
      assert.equal(choice.status, 200)
      assert.ok(!choice.body.includes('<b>'))
      assert.equal([...choice.body.matchAll(/auth_id=(first|second)/g)].length, 2)
      assert.equal((await signInAs(browser, docs.url)).body, 'hello user-1')
      assert.deepEqual(
        [...browser.cookies.get(docs.host)!.values()].map(({ name }) => name),
        ['sallyport.first.session', 'sallyport.second.session'],
      )
      assert.equal((await browser.visit(`${docs.url}/.sallyport/login?auth_id=third`)).status, 404)
    })

    it('and all other paths of ours are never answered by the app', async () => {
      const docs = relay.edge('docs', configFor(provider.issuer))
      const open = relay.edge('open')
      const browser = new Browser()
      await signInAs(browser, docs.url)
      relay.reached.length = 0
      for (const path of ['/.sallyport', '/.sallyport/', '/.sallyport/x', '/.sallyport/login/x']) {
        assert.equal((await browser.visit(`${docs.url}${path}`)).status, 404, path)
      }
      assert.equal((await browser.visit(`${open.url}/.sallyport/login`)).status, 404)
      assert.equal((await browser.visit(`${relay.publicUrl.href}other`)).status, 404)
      assert.equal((await browser.visit(`${docs.url}/.sallyport/login`, { method: 'POST' })).status, 405)
      assert.deepEqual(relay.reached, [])
    })
  })

  describe('without its provider', () => {
    it('shows a page that says so with 502, serves those who are signed in, and recovers', async () => {
      const flaky = await startProvider(port)
      const docs = relay.edge('docs', configFor(flaky.issuer))
      const signedIn = new Browser()
      await signInAs(signedIn, docs.url)
      await flaky.close()
      await relay.close()
      relay = await startRelay({ store, port, clock: () => now })
      relay.edge('docs', configFor(flaky.issuer))

      const page = await new Browser().open(docs.url)
      assert.equal(page.status, 502)
      assert.equal(page.headers['sallyport-error-code'], 'ERR_PROVIDER_UNREACHABLE')
      assert.ok(!page.body.includes('ECONNREFUSED'))
      assert.match(relay.logLines.join(''), /identity provider is unusable.*|ECONNREFUSED/)
      assert.equal((await signedIn.fetch(docs.url)).status, 200)

      const back = await startIdentityProvider({
        port: Number(new URL(flaky.issuer).port),
        host: 'idp.localhost',
        users: USERS,
        clients: [clientFor(port)],
      })
      try {
        now += 1000
        assert.equal((await signInAs(new Browser(), docs.url)).status, 200)
      } finally {
        await back.close()
      }
    })
  })
})

interface Edge {
  host: string
  url: string
}

async function openStream(edge: Edge, cookie: string): Promise<IncomingMessage> {
  const { port } = new URL(edge.url)
  const request = httpRequest({
    host: '127.0.0.1',
    port,
    path: '/hold',
    headers: { host: `${edge.host}:${port}`, cookie },
  })
  request.end()
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  response.resume()
  return response
}

/** The answer to an upgrade: a 101 stays open until it is destroyed. */
async function openUpgrade(edge: Edge, headers: Record<string, string>): Promise<IncomingMessage> {
  const { port } = new URL(edge.url)
  const request = httpRequest({
    host: '127.0.0.1',
    port,
    headers: {
      host: `${edge.host}:${port}`,
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
      ...headers,
    },
  })
  request.end()
  const answered = Promise.withResolvers<IncomingMessage>()
  request.once('response', answered.resolve).once('upgrade', answered.resolve).once('error', answered.reject)
  const response = await answered.promise
  response.socket.on('error', () => {}) // some tests wait for the cut
  response.resume()
  return response
}

async function closed(response: IncomingMessage): Promise<void> {
  if (response.socket.destroyed) return
  response.on('error', () => {}) // a cut stream errors before it closes
  await once(response.socket, 'close')
}

// Claims about a visitor, asked for again: with the real provider, which refuses a refresh token that was used before.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { afterEach, beforeEach, describe, it } from 'node:test'

import { Browser } from '../../../../../test/support/browser/browser.ts'
import type { IdentityProvider } from '../../../../../test/support/identity-provider/identity-provider.ts'
import {
  clientFor,
  configFor,
  signInAs,
  startProvider,
  startRelay,
  USERS,
  openStream,
  until,
  type Relay,
} from '../harness.test-support.ts'
import { MemoryStore } from '../../store/memory-store.test-support.ts'
import { startHostileProvider, type HostileProvider } from '../hostile-provider.test-support.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

describe('claims', () => {
  let relay: Relay
  let provider: IdentityProvider
  let store: MemoryStore
  let port: number
  let now: number
  let refreshes: number
  let users: { username: string; password: string; claims: Record<string, unknown> }[]

  beforeEach(async () => {
    now = Date.now()
    refreshes = 0
    users = USERS.map((user) => ({ ...user, claims: { ...user.claims } }))
    store = new MemoryStore()
    relay = await startRelay({ store, clock: () => now })
    port = relay.port
    provider = await startProvider(port, {
      users,
      clients: [{ ...clientFor(port), grant_types: ['authorization_code', 'refresh_token'] }],
      configure: {
        issueRefreshToken: async () => true,
        rotateRefreshToken: () => {
          refreshes++
          return true
        },
        ttl: { AccessToken: 600, AuthorizationCode: 60, Grant: 86_400, IdToken: 86_400, Session: 86_400, RefreshToken: 86_400 }, // prettier-ignore
      },
    })
  })
  afterEach(async () => {
    await relay.close()
    await provider.close()
  })

  const config = () =>
    configFor(provider.issuer, {
      userinfo_refresh_interval: MINUTE,
      idle_session_duration: 8 * HOUR,
      allow: { groups: { claim: 'groups', any_of: ['staff', 'admin'] } },
    })
  const tokenRows = () => [...store.rows.keys()].filter((key) => key.startsWith('session_tokens/')).length

  async function signedIn() {
    const docs = relay.edge('docs', config())
    const browser = new Browser()
    await signInAs(browser, docs.url)
    return { docs, browser }
  }

  it('are asked for when they are due, in the background of a request', async () => {
    const { docs, browser } = await signedIn()
    users[0]!.claims.groups = ['admin']
    now += MINUTE - 1
    await browser.fetch(docs.url)
    assert.equal(refreshes, 0)
    now += 1
    await browser.fetch(docs.url)
    assert.deepEqual(relay.reached.at(-1)?.identity?.groups, ['staff'], 'nobody has waited')
    await until(() => refreshes === 1 && groupsInStore() === '["admin"]')
    await browser.fetch(docs.url)
    assert.deepEqual(relay.reached.at(-1)?.identity?.groups, ['admin'])
    assert.equal(refreshes, 1)
  })

  it('attack 28: are asked for once, however many requests wait for them, in however many processes', async () => {
    const { docs, browser } = await signedIn()
    const other = await startRelay({ store, clock: () => now })
    try {
      const there = other.edge('docs', config())
      const cookie = browser.cookieHeader(docs.url)
      users[0]!.claims.groups = ['admin']
      now += 2 * MINUTE
      const urls = Array.from({ length: 30 }, (_, i) => (i % 3 === 2 ? there.url : docs.url))
      const answers = await Promise.all(urls.map((url) => new Browser().fetch(url, { headers: { cookie } })))
      assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]))
      assert.equal(refreshes, 1)
      await until(() => groupsInStore() === '["admin"]')
      for (const [where, one] of [
        [docs, relay],
        [there, other],
      ] as const) {
        await new Browser().fetch(where.url, { headers: { cookie } })
        assert.deepEqual(one.reached.at(-1)?.identity?.groups, ['admin'])
      }
      assert.equal(refreshes, 1)
    } finally {
      await other.close()
    }
  })

  it('that are older than twice their time are waited for: a visitor who has left the group gets no byte', async () => {
    const { docs, browser } = await signedIn()
    users[0]!.claims.groups = []
    now += HOUR
    const before = relay.reached.length
    assert.equal((await browser.fetch(docs.url)).status, 403)
    assert.equal(relay.reached.length, before)
    users[0]!.claims.groups = ['staff']
    now += HOUR
    assert.equal((await browser.fetch(docs.url)).status, 200, 'and is let in again without another sign-in')
  })

  it('attack 33: that no longer allow it end exchanges under way, without a further request', async () => {
    const { docs, browser } = await signedIn()
    const stream = await openStream(port, docs.host, browser.cookieHeader(docs.url))
    now += MINUTE
    await until(() => refreshes === 1)
    assert.equal(stream.destroyed, false)
    users[0]!.claims.groups = []
    now += MINUTE
    await once(stream.socket, 'close')
    assert.equal(relay.holding.size, 0)
    assert.equal(relay.signIn.sessionCount, 1, 'the session itself goes on: other routes may allow it')
  })

  it('attack 28: invalid_grant ends the session, and its tokens are dropped', async () => {
    const { docs, browser } = await signedIn()
    assert.equal(tokenRows(), 1)
    users.shift() // the account is gone
    now += 2 * MINUTE
    const before = relay.reached.length
    assert.equal((await browser.fetch(docs.url)).status, 401)
    assert.equal(relay.reached.length, before)
    assert.equal(relay.signIn.sessionCount, 0)
    assert.equal(tokenRows(), 0)
  })

  it('attack 28: a provider that is down ends no session before its hard limit, and nobody waits for it', async () => {
    const { docs, browser } = await signedIn()
    await provider.close()
    for (let hour = 0; hour < 7; hour++) {
      now += HOUR - 1000
      assert.equal((await browser.fetch(docs.url)).status, 200)
    }
    const failures = () => relay.logLines.filter((line) => line.includes('claims could not be refreshed')).length
    const asked = failures()
    assert.ok(asked > 0)
    assert.match(relay.logLines.join(''), /"reason":"POST http:[^"]*\/token failed: connect ECONNREFUSED/)
    for (let i = 0; i < 20; i++) assert.equal((await browser.fetch(docs.url)).status, 200)
    assert.equal(failures(), asked, 'it is not asked again at once')
    now += 2 * HOUR
    assert.equal((await browser.fetch(docs.url)).status, 401)
    provider = await startProvider(port) // for afterEach
  })

  it('attack 28: every refresh token is used once, also over a restart', async () => {
    const { docs, browser } = await signedIn()
    for (const round of [1, 2, 3]) {
      now += HOUR
      assert.equal((await browser.fetch(docs.url)).status, 200)
      assert.equal(refreshes, round)
      await relay.close()
      relay = await startRelay({ store, port, clock: () => now })
      relay.edge('docs', config())
    }
    assert.ok(!JSON.stringify([...store.rows]).includes('refresh'), 'they are sealed at rest')
    assert.ok(!relay.logLines.join('').includes(browser.cookieHeader(docs.url).split('=')[1]!))
  })

  it('attack 28: a store that fails after a refresh does not cost the session its new refresh token', async () => {
    const { docs, browser } = await signedIn()
    const cookie = browser.cookieHeader(docs.url)
    now += HOUR
    store.failPutsAfter = 1 // the tokens are taken, and cannot be put back
    assert.equal((await browser.fetch(docs.url)).status, 200)
    assert.equal(refreshes, 1)
    store.failPutsAfter = undefined
    now += HOUR
    assert.equal((await new Browser().fetch(docs.url, { headers: { cookie } })).status, 200)
    assert.equal(refreshes, 2)
    assert.equal(relay.signIn.sessionCount, 1)
  })

  it('are not asked for without a refresh token', async () => {
    await provider.close()
    provider = await startProvider(port)
    const { docs, browser } = await signedIn()
    now += HOUR - 1
    assert.equal((await browser.fetch(docs.url)).status, 200)
    assert.ok(!relay.logLines.join('').includes('claims could not be refreshed'))
  })

  it('attack 24: sessions end with their tokens with another client, or a day after their edge is removed', async () => {
    const { docs } = await signedIn()
    const wiki = relay.edge('wiki', config())
    await signInAs(new Browser(), wiki.url)
    await relay.close()
    relay = await startRelay({ store, port, clock: () => now })
    relay.edge('docs', { ...config(), client_id: 'another' })
    relay.signIn.endStale((id) => id === docs.id)
    assert.deepEqual(
      relay.signIn.sessions.list().map(({ edge }) => edge),
      ['edg_wiki'],
    )
    await until(() => tokenRows() === 1)
    now += 24 * HOUR
    relay.signIn.endStale((id) => id === docs.id)
    await until(() => tokenRows() === 0)
  })

  function groupsInStore(): string {
    for (const [key, { value }] of store.rows) {
      if (key.startsWith('sessions/')) return JSON.stringify((value as { groups: { groups: string[] } }).groups.groups)
    }
    return ''
  }
})

describe('claims that a refresh brings', () => {
  let relay: Relay
  let provider: HostileProvider
  let now: number

  beforeEach(async () => {
    now = Date.now()
    relay = await startRelay({ clock: () => now })
    provider = await startHostileProvider()
    provider.behave.refreshToken = 'r'
  })
  afterEach(async () => {
    await relay.close()
    await provider.close()
  })

  async function signedIn() {
    const docs = relay.edge('docs', configFor(provider.issuer, { userinfo_refresh_interval: MINUTE }))
    const browser = new Browser()
    provider.behave.idToken = (nonce) => provider.idToken({ nonce, groups: ['staff'] })
    assert.equal((await browser.open(docs.url)).status, 200)
    now += 2 * MINUTE // so that the request waits
    return { docs, browser }
  }
  const groups = () => relay.reached.at(-1)?.identity?.groups

  it('attack 27: of somebody else end the session', async () => {
    const { docs, browser } = await signedIn()
    const before = relay.reached.length
    provider.behave.idToken = () => provider.idToken({ sub: 'user-2', nonce: undefined })
    assert.equal((await browser.fetch(docs.url)).status, 401)
    assert.equal(relay.reached.length, before)
    assert.equal(relay.signIn.sessionCount, 0)
  })

  for (const [what, change] of Object.entries({
    'another audience': { aud: 'another' },
    'another issuer': { iss: 'https://evil.example' },
    'an expiry in the past': { exp: 1 },
  })) {
    it(`attack 21: are not believed with ${what}, and the session continues with the known ones`, async () => {
      const { docs, browser } = await signedIn()
      provider.behave.idToken = () => provider.idToken({ groups: ['admin'], ...change })
      assert.equal((await browser.fetch(docs.url)).status, 200)
      assert.deepEqual(groups(), ['staff'])
      assert.match(relay.logLines.join(''), /claims could not be refreshed/)
      const asked = provider.asked.length
      assert.equal((await browser.fetch(docs.url)).status, 200)
      assert.equal(provider.asked.length, asked, 'it is not asked again at once')
      now += 6 * MINUTE
      provider.behave.idToken = () => provider.idToken({ groups: ['admin'], exp: Math.floor(now / 1000) + 60 })
      await browser.fetch(docs.url)
      assert.deepEqual(groups(), ['admin'])
    })
  }

  it('S2: end only the session if the provider gives its reason in a form that has no text', async () => {
    const { docs, browser } = await signedIn()
    const stream = await openStream(relay.port, docs.host, browser.cookieHeader(docs.url))
    const body = '{"error":"invalid_grant","error_description":{"toString":1,"valueOf":1}}'
    provider.behave.tokenAnswer = { status: 400, body }
    now += 2 * MINUTE
    // In the background: no request waits for the refresh.
    await once(stream.socket, 'close')
    assert.equal(relay.signIn.sessionCount, 0)
    assert.match(relay.logLines.join(''), /the provider has ended a session/)
    assert.match(relay.logLines.join(''), /invalid_grant: no description/)
  })

  it('real-providers 7: that hang are waited for once, and by no other request of a signed-in visitor', async () => {
    const { docs, browser } = await signedIn()
    const second = new Browser()
    assert.equal((await second.open(docs.url)).status, 200)
    now += 2 * MINUTE
    const hanging: ServerResponse[] = []
    provider.behave.answer = { '/token': (response) => void hanging.push(response) }
    const visit = async (visitor = browser): Promise<number> => {
      const begun = performance.now()
      assert.equal((await visitor.fetch(docs.url)).status, 200)
      return performance.now() - begun
    }
    // Six at once wait together; later requests, in any session, do not.
    const together = await Promise.all(Array.from({ length: 6 }, () => visit()))
    assert.ok(Math.max(...together) < 4500, `waited ${Math.max(...together)} ms`)
    let waited = 0
    for (let i = 0; i < 5; i++) waited += (await visit()) + (await visit(second))
    assert.ok(waited < 1900, `ten requests took ${waited} ms`)
    // The try fails; no request waits for the next ones, after each pause, either.
    const failures = () => relay.logLines.filter((line) => line.includes('claims could not be refreshed')).length
    const fail = async (): Promise<void> => {
      const failed = hanging.splice(0)
      const seen = failures()
      for (const response of failed) response.destroy()
      await until(() => failures() === seen + failed.length)
    }
    await fail()
    waited = 0
    for (let round = 0; round < 6; round++) {
      now += MINUTE // the longest pause
      waited += (await visit()) + (await visit(second))
      await until(() => hanging.length === 2)
      waited += (await visit()) + (await visit(second))
      await fail()
    }
    assert.ok(waited < 1900, `24 requests took ${waited} ms`)
  })

  it('real-providers 7: of a recovered provider arrive with the second request, and are waited for as before', async () => {
    const { docs, browser } = await signedIn()
    provider.behave.answer = { '/token': (response) => void response.destroy() }
    assert.equal((await browser.fetch(docs.url)).status, 200)
    await until(() => relay.logLines.some((line) => line.includes('claims could not be refreshed')))
    provider.behave.answer = {}
    provider.behave.idToken = () => provider.idToken({ groups: ['admin'], exp: Math.floor(now / 1000) + 60, iat: Math.floor(now / 1000) }) // prettier-ignore
    now += 5000
    const asked = provider.redeemed.length
    await browser.fetch(docs.url)
    assert.deepEqual(groups(), ['staff'], 'nobody has waited')
    await until(() => provider.redeemed.length > asked)
    for (let i = 0; i < 100 && groups()?.[0] !== 'admin'; i++) await browser.fetch(docs.url)
    assert.deepEqual(groups(), ['admin'])
    provider.behave.idToken = () => provider.idToken({ groups: [], exp: Math.floor(now / 1000) + 60, iat: Math.floor(now / 1000) }) // prettier-ignore
    now += 2 * MINUTE
    await browser.fetch(docs.url)
    assert.deepEqual(groups(), [], 'it answers: the claims are waited for')
  })

  it('real-providers 7: of a provider that failed long ago are waited for again', async () => {
    const { docs, browser } = await signedIn()
    provider.behave.answer = { '/token': (response) => void response.destroy() }
    assert.equal((await browser.fetch(docs.url)).status, 200)
    await until(() => relay.logLines.some((line) => line.includes('claims could not be refreshed')))
    provider.behave.answer = {}
    now += 15 * MINUTE
    provider.behave.idToken = () => provider.idToken({ groups: [], exp: Math.floor(now / 1000) + 60, iat: Math.floor(now / 1000) }) // prettier-ignore
    await browser.fetch(docs.url)
    assert.deepEqual(groups(), [])
  })

  it('are those of userinfo if there is no ID token', async () => {
    provider.behave.metadata = { userinfo_endpoint: `${provider.issuer}/userinfo` }
    const { docs, browser } = await signedIn()
    provider.behave.idToken = () => undefined
    provider.behave.userInfo = { sub: 'user-1', groups: ['admin'] }
    assert.equal((await browser.fetch(docs.url)).status, 200)
    assert.deepEqual(groups(), ['admin'])
    assert.equal(relay.reached.at(-1)?.identity?.name, 'Ada')
    provider.behave.userInfo = { sub: 'user-2', groups: ['root'] }
    now += 2 * MINUTE
    assert.equal((await browser.fetch(docs.url)).status, 200)
    assert.deepEqual(groups(), ['admin'], 'userinfo of somebody else is not believed')
  })
})

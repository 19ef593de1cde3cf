// The provider's access token, as an app gets it: with the real provider, which says whether it is valid.

import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'

import { Browser } from '../../../../../test/support/browser/browser.ts'
import type { IdentityProvider } from '../../../../../test/support/identity-provider/identity-provider.ts'
import { keptAccessToken } from './access-token.ts'
import { clientFor, configFor, signInAs, startProvider, startRelay, type Relay } from '../harness.test-support.ts'
import { MemoryStore } from '../../store/memory-store.test-support.ts'

const LIFE_S = 600

describe('the access token of the provider', () => {
  let relay: Relay
  let provider: IdentityProvider
  let store: MemoryStore
  let now: number
  let issuesRefreshTokens: boolean

  beforeEach(async () => {
    now = Date.now()
    issuesRefreshTokens = false
    store = new MemoryStore()
    relay = await startRelay({ store, clock: () => now })
    provider = await startProvider(relay.port, {
      clients: [{ ...clientFor(relay.port), grant_types: ['authorization_code', 'refresh_token'] }],
      configure: {
        issueRefreshToken: async () => issuesRefreshTokens,
        ttl: { AccessToken: LIFE_S, AuthorizationCode: 60, Grant: 86_400, IdToken: 86_400, Session: 86_400, RefreshToken: 86_400 }, // prettier-ignore
      },
    })
  })
  afterEach(async () => {
    await relay.close()
    await provider.close()
  })

  const forwarding = () =>
    configFor(provider.issuer, { forward_access_token: true, userinfo_refresh_interval: 3_600_000 })
  const tokenSeen = () => relay.reached.at(-1)?.identity?.accessToken
  const isGood = async (token: string) => {
    const answer = await new Browser().fetch(`${provider.issuer}/me`, { headers: { authorization: `Bearer ${token}` } })
    return answer.status === 200 && answer.body.includes('user-1')
  }

  it('reaches the app of a route that says so, works there, and is nowhere in clear', async () => {
    const docs = relay.edge('docs', forwarding())
    const browser = new Browser()
    await signInAs(browser, docs.url)
    const token = tokenSeen()
    assert.ok(token && (await isGood(token)))
    assert.ok(!JSON.stringify([...store.rows.values()]).includes(token))
    assert.ok(!relay.logLines.join('').includes(token))
    await browser.fetch(docs.url)
    assert.equal(tokenSeen(), token)
    assert.equal(relay.reached.at(-1)?.identity?.jwt?.includes(token), false)
  })

  it('reaches no other route, though it shares the session, and is not even kept for it', async () => {
    const silent = configFor(provider.issuer)
    const docs = relay.edge('docs', silent)
    const browser = new Browser()
    await signInAs(browser, docs.url)
    assert.equal(tokenSeen(), undefined)
    relay.edge('docs', forwarding())
    assert.equal((await browser.fetch(docs.url)).status, 200)
    assert.equal(tokenSeen(), undefined, 'there is none of a sign-in before')
    await browser.open(`${docs.url}/.sallyport/login`)
    assert.ok(tokenSeen())
    relay.edge('docs', silent)
    assert.equal((await browser.fetch(docs.url)).status, 200)
    assert.equal(tokenSeen(), undefined)
  })

  it('is left out once it has expired', async () => {
    const docs = relay.edge('docs', forwarding())
    const browser = new Browser()
    await signInAs(browser, docs.url)
    now += LIFE_S * 1000 - 1
    await browser.fetch(docs.url)
    assert.ok(tokenSeen())
    now += 1
    assert.equal((await browser.fetch(docs.url)).status, 200)
    assert.equal(tokenSeen(), undefined)
  })

  it('is replaced before it expires, if the provider gives refresh tokens', async () => {
    issuesRefreshTokens = true
    const docs = relay.edge('docs', forwarding())
    const browser = new Browser()
    await signInAs(browser, docs.url)
    const first = tokenSeen()
    // Older than twice their time: the request waits for the provider.
    now += 2 * (LIFE_S - 30) * 1000
    assert.equal((await browser.fetch(docs.url)).status, 200)
    const second = tokenSeen()
    assert.ok(second && second !== first, `${relay.logLines.at(-1)}`)
    assert.ok(await isGood(second))
  })

  it('survives a restart of the relay, and a store that is down', async () => {
    const docs = relay.edge('docs', forwarding())
    const browser = new Browser()
    await signInAs(browser, docs.url)
    const token = tokenSeen()
    const { port } = relay
    await relay.close()
    relay = await startRelay({ store, port, clock: () => now })
    relay.edge('docs', forwarding())
    await browser.fetch(docs.url)
    assert.equal(tokenSeen(), token)
    store.down = true
    await browser.fetch(docs.url)
    assert.equal(tokenSeen(), token)
    store.down = false
  })

  it('is left out if a header cannot hold it', () => {
    const wanted = { needs: { claims: new Map(), email: false, verifiedEmail: false, accessToken: true } }
    const unwanted = { needs: { ...wanted.needs, accessToken: false } }
    assert.deepEqual(keptAccessToken({ access_token: 'good', expires_in: 60 }, wanted, 1000), {
      accessToken: { value: 'good', until: 61_000 },
    })
    assert.deepEqual(keptAccessToken({ access_token: 'good' }, wanted, 1000), { accessToken: { value: 'good' } })
    assert.deepEqual(keptAccessToken({ access_token: 'good' }, unwanted, 1000), {})
    for (const access_token of ['', 'a b', 'a\r\nX-Injected: yes', 'ä', 'x'.repeat(8193)]) {
      assert.deepEqual(keptAccessToken({ access_token }, wanted, 1000), {}, access_token.slice(0, 20))
    }
  })
})

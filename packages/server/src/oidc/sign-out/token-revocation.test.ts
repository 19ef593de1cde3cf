// The fate of a session's tokens when the session is ended: with the real provider, and with an unhelpful one.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, it } from 'node:test'

import { Browser } from '../../../../../test/support/browser/browser.ts'
import type { IdentityProvider } from '../../../../../test/support/identity-provider/identity-provider.ts'
import type { OpenidConnectConfig } from '../../policy/openid-connect/openid-connect-schema.ts'
import {
  clientFor,
  configFor,
  signInAs,
  startProvider,
  startRelay,
  until,
  type Relay,
} from '../harness.test-support.ts'
import { MemoryStore } from '../../store/memory-store.test-support.ts'
import { startHostileProvider, type HostileProvider } from '../hostile-provider.test-support.ts'
import { StoredSessions } from '../../session/stored-sessions.ts'

const MINUTE = 60_000

describe('the tokens of a session that is ended', () => {
  let relay: Relay
  let provider: IdentityProvider
  let store: MemoryStore
  let now: number
  /** The tokens that the provider was asked to revoke, and those it has ended. */
  let asked: string[]
  let gone: string[]

  beforeEach(async () => {
    now = Date.now()
    asked = []
    gone = []
    store = new MemoryStore()
    relay = await startRelay({ store, clock: () => now })
    provider = await startProvider(relay.port, {
      clients: [{ ...clientFor(relay.port), grant_types: ['authorization_code', 'refresh_token'] }],
      configure: {
        issueRefreshToken: async () => true,
        expiresWithSession: async () => false, // as with offline_access: a sign-out there leaves them
      },
      prepare: (real) => {
        real.on('refresh_token.destroyed', () => gone.push('refresh token'))
        real.on('access_token.destroyed', () => gone.push('access token'))
        real.use(async (context, next) => {
          await next()
          const { params, client } = context.oidc ?? {}
          if (context.path === '/token/revocation' && context.status === 200) {
            asked.push(`${String(params?.['token_type_hint'])} of ${client?.clientId}`)
          }
        })
      },
    })
  })
  afterEach(async () => {
    await relay.close()
    await provider.close()
  })

  const tokenRows = () => [...store.rows.keys()].filter((key) => key.startsWith('session_tokens/')).length

  async function signedIn(more: Partial<OpenidConnectConfig> = {}) {
    const docs = relay.edge('docs', configFor(provider.issuer, more))
    const browser = new Browser()
    await signInAs(browser, docs.url)
    assert.equal(tokenRows(), 1)
    return { docs, browser }
  }

  it('are deleted here at a sign-out, and revoked after the browser has had a minute to go to the provider', async () => {
    const { docs, browser } = await signedIn()
    const end = await browser.submit(await browser.open(`${docs.url}/.sallyport/logout`))
    assert.equal(end.url, `${docs.url}/.sallyport/signed-out`)
    assert.equal(tokenRows(), 0)
    assert.deepEqual(asked, [])
    now += MINUTE
    await until(() => asked.length > 0)
    assert.deepEqual([asked, gone], [['refresh_token of relay'], ['refresh token']])
  })

  it('are revoked at once when the operator ends the session, and so is the access token if it was kept', async () => {
    await signedIn({ forward_access_token: true })
    const [session] = relay.signIn.sessions.list()
    assert.equal(await relay.signIn.sessions.revoke(session!.id), true)
    assert.equal(tokenRows(), 0)
    await until(() => asked.length === 2)
    assert.deepEqual(asked, ['refresh_token of relay', 'access_token of relay'])
    assert.ok(gone.includes('refresh token'))
  })

  it('are revoked once when a command ends the session, for any number of processes', async () => {
    await signedIn()
    const other = await startRelay({ store, clock: () => now })
    try {
      other.edge('docs', configFor(provider.issuer))
      const stored = await StoredSessions.open(store)
      await stored.end(stored.find({ user: 'ada@example.com' }))
      await until(() => asked.length > 0 && relay.signIn.sessionCount + other.signIn.sessionCount === 0)
      await other.close()
      await relay.close() // both wait for revocations under way
      assert.deepEqual([asked, gone, tokenRows()], [['refresh_token of relay'], ['refresh token'], 0])
    } finally {
      await other.close()
    }
  })

  it('are revoked before the relay stops, if it does so within the minute', async () => {
    const { docs, browser } = await signedIn()
    await browser.fetch(`${docs.url}/.sallyport/logout`, { method: 'POST', headers: { origin: docs.origin } })
    assert.deepEqual(asked, [])
    await relay.close()
    assert.deepEqual(asked, ['refresh_token of relay'])
  })

  it('stay valid if the visitor only signs in again, or the session expires', async () => {
    const { docs, browser } = await signedIn()
    await browser.open(`${docs.url}/.sallyport/login`)
    assert.equal(relay.signIn.sessionCount, 1)
    assert.equal(tokenRows(), 1)
    now += 9 * 60 * MINUTE
    await until(() => tokenRows() === 0)
    await relay.close()
    assert.deepEqual(asked, [])
  })
})

describe('a provider that does not help with revoking', () => {
  let relay: Relay
  let provider: HostileProvider

  beforeEach(async () => {
    relay = await startRelay({ providerTimeoutMs: 300 })
    provider = await startHostileProvider()
    provider.behave.refreshToken = 'the-refresh-token'
    provider.behave.idToken = (nonce) => provider.idToken({ nonce })
  })
  afterEach(async () => {
    await relay.close()
    await provider.close()
  })

  /** Signs in and ends the session as the operator does. */
  async function endOne(): Promise<void> {
    const docs = relay.edge('docs', configFor(provider.issuer))
    assert.equal((await new Browser().open(docs.url)).status, 200)
    provider.asked.length = 0
    for (const { id } of relay.signIn.sessions.list()) assert.equal(await relay.signIn.sessions.revoke(id), true)
    assert.equal(relay.signIn.sessionCount, 0)
  }
  const failure = () => relay.logLines.find((line) => line.includes('tokens could not be revoked'))

  it('because it has no endpoint for that, is not asked', async () => {
    await endOne()
    await relay.close()
    assert.deepEqual(provider.asked, [])
    assert.equal(failure(), undefined)
  })

  it('because it never answers, holds up no sign-out, and is spared the next ones', async () => {
    provider.behave.metadata = { revocation_endpoint: `${provider.issuer}/revoke` }
    provider.behave.answer = { '/revoke': () => {} }
    await endOne() // resolves although the answer never comes
    await until(() => failure() !== undefined)
    assert.deepEqual(provider.asked, ['/revoke'])
    assert.match(failure() ?? '', /POST http:\/\/127\.0\.0\.1:\d+\/revoke failed: no answer within 0\.3 s/)
    await endOne()
    await relay.close()
    assert.deepEqual(provider.asked, [])
    assert.ok(!relay.logLines.join('').includes('the-refresh-token'))
  })

  it('because it says no, is only noted', async () => {
    provider.behave.metadata = { revocation_endpoint: `${provider.issuer}/revoke` }
    const body = '{"error":"unsupported_token_type"}'
    const headers = { 'content-type': 'application/json' }
    provider.behave.answer = { '/revoke': (response) => void response.writeHead(400, headers).end(body) }
    await endOne()
    await until(() => failure() !== undefined)
    assert.match(failure() ?? '', /unsupported_token_type: no description/)
  })

  it('S2: because it refuses in a form that has no text, is only noted', async () => {
    provider.behave.metadata = { revocation_endpoint: `${provider.issuer}/revoke` }
    const body = '{"error":"invalid_request","error_description":{"toString":1,"valueOf":1}}'
    const headers = { 'content-type': 'application/json' }
    provider.behave.answer = { '/revoke': (response) => void response.writeHead(400, headers).end(body) }
    await endOne()
    await until(() => failure() !== undefined)
    assert.match(failure() ?? '', /invalid_request: no description/)
  })

  it('because it names an internal address, gets no token there', async () => {
    let visits = 0
    const inside = createServer((_, response) => {
      visits++
      response.end()
    }).listen(0, '127.0.0.1')
    await once(inside, 'listening')
    try {
      const { port } = inside.address() as AddressInfo // it listens on TCP
      provider.behave.metadata = { revocation_endpoint: `http://127.0.0.1:${port}/revoke` }
      await endOne()
      await until(() => failure() !== undefined)
      assert.match(failure() ?? '', /an internal address/)
      assert.equal(visits, 0)
    } finally {
      inside.close()
    }
  })
})

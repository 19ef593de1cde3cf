// Signing out: here, at the provider, and back.

import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'

import { Browser, type Visit } from '../../../../../test/support/browser/browser.ts'
import type { IdentityProvider } from '../../../../../test/support/identity-provider/identity-provider.ts'
import { configFor, signInAs, startProvider, startRelay, until } from '../harness.test-support.ts'
import { MemoryStore } from '../../store/memory-store.test-support.ts'
import type { Relay } from '../harness.test-support.ts'
import { startHostileProvider } from '../hostile-provider.test-support.ts'

describe('signing out', () => {
  let relay: Relay
  let provider: IdentityProvider
  let store: MemoryStore
  let port: number

  before(async () => {
    relay = await startRelay()
    port = relay.port
    provider = await startProvider(port)
    await relay.close()
  })
  after(() => provider.close())
  beforeEach(async () => {
    store = new MemoryStore()
    relay = await startRelay({ store, port })
  })
  afterEach(() => relay.close())

  async function signedIn() {
    const docs = relay.edge('docs', configFor(provider.issuer))
    const visits: Visit[] = []
    const browser = new Browser({ onVisit: (visit) => visits.push(visit) })
    await signInAs(browser, docs.url)
    visits.length = 0
    return { docs, browser, visits }
  }

  it('ends the session here and at the provider, and comes back to a page that starts nothing', async () => {
    const { docs, browser, visits } = await signedIn()
    const button = await browser.open(`${docs.url}/.sallyport/logout`)
    assert.equal(button.status, 200)
    assert.equal(relay.signIn.sessionCount, 1, 'a GET only shows a button')
    assert.match(String(button.headers['content-security-policy']), /form-action 'self'/)
    assert.match(button.body, /signed in as <strong><bdi>[^<]+<\/bdi>.* on <strong>docs\.localhost<\/strong>/)
    assert.match(button.body, /<a href="\/">Open this site<\/a>/)
    const from = await browser.visit(button.url, { headers: { referer: `${docs.url}/page?a=b` } })
    assert.match(from.body, /<a href="\/page\?a=b">Back<\/a>/)

    const end = await browser.submit(button)
    assert.equal(end.url, `${docs.url}/.sallyport/signed-out`)
    assert.equal(end.status, 200)
    assert.match(end.body, /You are signed out/)
    assert.deepEqual(
      visits.map(({ url, status }) => `${status} ${new URL(url).hostname}${new URL(url).pathname}`),
      [
        '200 docs.localhost/.sallyport/logout',
        '200 docs.localhost/.sallyport/logout',
        '200 docs.localhost/.sallyport/logout',
        '303 docs.localhost/.sallyport/logout/provider',
        '303 idp.localhost/session/end',
        '303 relay.localhost/oidc/signed-out',
        '200 docs.localhost/.sallyport/signed-out',
      ],
    )
    assert.equal(relay.signIn.sessionCount, 0)
    assert.equal(store.rows.size, 1, 'only the signing key is left')
    assert.equal(browser.cookies.get(docs.host)!.size, 0)
    assert.equal((await browser.fetch(docs.url)).status, 401)
    assert.match((await browser.open(docs.url)).url, /\/sign-in\//, 'the provider asks for the password again')
  })

  it('attack 26: shows the ID token to no page of the edge, only to the provider', async () => {
    const { docs, browser, visits } = await signedIn()
    await browser.submit(await browser.open(`${docs.url}/.sallyport/logout`))
    const ending = visits.find(({ url }) => new URL(url).pathname === '/session/end')!
    const hint = new URL(ending.url).searchParams.get('id_token_hint')!
    assert.match(hint, /^eyJ/)
    for (const { url, body, headers } of visits.filter((visit) => new URL(visit.url).hostname === docs.host)) {
      assert.ok(!url.includes(hint) && !body.includes(hint) && !String(headers.refresh).includes(hint), url)
      assert.ok(!String(headers['set-cookie']).includes(hint), 'it is sealed in the cookie')
      assert.equal(headers['access-control-allow-origin'], undefined)
    }
  })

  it('attack 26: gives a script no address of the provider to follow', async () => {
    const { docs, browser } = await signedIn()
    const button = await browser.visit(`${docs.url}/.sallyport/logout`)
    const page = await browser.visit(button.url, { method: 'POST', headers: { origin: docs.origin } })
    const script = await browser.fetch(page.next!, { headers: { 'sec-fetch-dest': 'empty', accept: 'text/html' } })
    assert.equal(script.headers.location, '/.sallyport/signed-out')
  })

  it('acts on a POST of the same origin only', async () => {
    const { docs, browser } = await signedIn()
    const foreign: Record<string, string>[] = [
      {},
      { origin: 'null' },
      { origin: `http://wiki.localhost:${port}`, 'sec-fetch-site': 'same-site' },
      { origin: 'https://evil.example', 'sec-fetch-site': 'same-origin' },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { 'sec-fetch-site': 'none' },
    ]
    for (const headers of foreign) {
      const answer = await browser.visit(`${docs.url}/.sallyport/logout`, { method: 'POST', headers })
      assert.equal(answer.status, 403, JSON.stringify(headers))
      assert.equal(relay.exchanges.at(-1)?.user, 'user-1', 'first-hour 13: whose sign-out was refused')
      assert.equal(relay.signIn.sessionCount, 1)
    }
    for (const method of ['PUT', 'DELETE']) {
      assert.equal((await browser.visit(`${docs.url}/.sallyport/logout`, { method })).status, 405)
    }
    // Browsers send this with a form on a page without referrers.
    const same = { origin: 'null', 'sec-fetch-site': 'same-origin' }
    assert.equal((await browser.visit(`${docs.url}/.sallyport/logout`, { method: 'POST', headers: same })).status, 200)
    assert.equal(relay.signIn.sessionCount, 0)
  })

  it('works without a session, too', async () => {
    const docs = relay.edge('docs', configFor(provider.issuer))
    const asked = await new Browser().open(`${docs.url}/.sallyport/logout`)
    assert.match(asked.body, /Nobody is signed in on <strong>docs\.localhost<\/strong>/)
    const page = await new Browser().submit(asked)
    assert.equal(page.url, `${docs.url}/.sallyport/signed-out`)
    assert.equal((await new Browser().open(`${docs.url}/.sallyport/logout/provider`)).url, page.url)
  })

  it('ends here at once while the store is down, and there when it is back', async () => {
    const { docs, browser } = await signedIn()
    const cookie = browser.cookieHeader(docs.url)
    store.down = true
    const page = await browser.submit(await browser.open(`${docs.url}/.sallyport/logout`))
    assert.equal(page.status, 503, 'what is not kept is not acknowledged')
    assert.equal(page.headers['sallyport-error-code'], 'ERR_STORE_UNAVAILABLE')
    assert.match(page.body, /signed out, but it could not be saved/)
    assert.equal(browser.cookieHeader(docs.url).includes('.session='), false)
    assert.equal((await browser.fetch(docs.url, { headers: { cookie } })).status, 401)
    assert.equal(store.rows.size, 3, 'signing key, session, tokens')
    store.down = false
    await until(() => store.rows.size === 1)
    assert.equal((await browser.fetch(docs.url, { headers: { cookie } })).status, 401)
  })

  it('ends here if the provider has no end_session_endpoint, or cannot be reached', async () => {
    const plain = await startHostileProvider()
    const docs = relay.edge('plain', configFor(plain.issuer))
    const browser = new Browser()
    try {
      await browser.open(docs.url)
      assert.equal(
        (await browser.submit(await browser.open(`${docs.url}/.sallyport/logout`))).url,
        `${docs.url}/.sallyport/signed-out`,
      )
      assert.equal(relay.signIn.sessionCount, 0)
      await browser.open(docs.url)
    } finally {
      await plain.close()
    }
    await relay.close()
    relay = await startRelay({ store, port })
    relay.edge('plain', configFor(plain.issuer))
    assert.equal(relay.signIn.sessionCount, 1)
    assert.equal(
      (await browser.submit(await browser.open(`${docs.url}/.sallyport/logout`))).url,
      `${docs.url}/.sallyport/signed-out`,
    )
    assert.equal(relay.signIn.sessionCount, 0)
  })

  it('returns only to the edge that the sealed state names', async () => {
    for (const query of ['', '?state=x', '?state=https://evil.example', '?state=a&state=b']) {
      const page = await new Browser().visit(`${relay.publicUrl.href}oidc/signed-out${query}`)
      assert.equal(page.status, 200)
      assert.equal(page.next, undefined)
    }
  })
})

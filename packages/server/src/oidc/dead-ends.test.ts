// B8: no page ends without the next step. A visitor with a session gets to the page they wanted; a visitor without one
// finds a button that starts again. In a real Chromium: test/e2e/dead-ends.test.ts.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'

import { Browser, type Visit } from '../../../../test/support/browser/browser.ts'
import type { IdentityProvider } from '../../../../test/support/identity-provider/identity-provider.ts'
import { redirectUri } from '../model/redirect-uri.ts'
import {
  PASSWORD,
  configFor,
  publishSignIn,
  signInAs,
  startProvider,
  startRelay,
  type Relay,
} from './harness.test-support.ts'
import { MemoryStore } from '../store/memory-store.test-support.ts'

const LONG = `/search?q=${randomBytes(2400).toString('base64url')}&tail=end`
const SHORT = '/guide?page=2&q=a%20b'

describe('B8: dead ends', () => {
  let relay: Relay
  let provider: IdentityProvider
  let store: MemoryStore
  let now: number
  let docs: ReturnType<Relay['edge']>

  before(async () => {
    relay = await startRelay()
    provider = await startProvider(relay.port)
  })
  after(() => provider.close())
  beforeEach(async () => {
    const { port } = relay
    await relay.close()
    store = new MemoryStore()
    now = Date.now()
    relay = await startRelay({ store, port, clock: () => now })
    docs = relay.edge('docs', configFor(provider.issuer))
  })
  afterEach(() => relay.close())

  /** Signs in, and returns the addresses on the way. */
  const signIn = async (browser: Browser, path: string) => {
    const addresses: string[] = []
    let visit = await browser.visit(`${docs.url}${path}`)
    const authorize = visit.next!
    const page = await browser.open(authorize)
    visit = await browser.visit(page.url, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ username: 'ada', password: PASSWORD }).toString(),
    })
    while (visit.next !== undefined) {
      addresses.push(visit.next)
      visit = await browser.visit(visit.next)
    }
    const find = (begin: string) => addresses.find((address) => address.startsWith(begin))!
    return {
      page: visit,
      authorize,
      callback: find(redirectUri(relay.publicUrl.origin, provider.issuer)),
      handOver: find(`${docs.url}/.sallyport/oidc/callback`),
    }
  }
  const dropSession = (browser: Browser) => browser.cookies.get(docs.host)!.clear()
  /** The address of a page's button. */
  const button = (page: Visit, label: string): string => {
    const found = new RegExp(`<a class="button" href="([^"]*)"[^>]*>${label}</a>`).exec(page.body)
    assert.ok(found, `no button ${label} on ${page.status} ${page.body.slice(-600)}`)
    return new URL(found[1]!.replaceAll('&amp;', '&'), page.url).href
  }

  for (const path of [SHORT, LONG]) {
    const what = path.length < 100 ? 'a short address' : `an address of ${path.length} characters`

    it(`B8: ${what} survives the sign-in`, async () => {
      const { page } = await signIn(new Browser(), path)
      assert.deepEqual([page.status, page.url], [200, `${docs.url}${path}`])
    })

    it(`B8, real-providers 6a: with a session, an ended sign-in leads to ${what} once more, and redeems nothing`, async () => {
      const browser = new Browser()
      const { callback, handOver, authorize } = await signIn(browser, path)
      const before = store.writes
      for (const address of [callback, handOver, authorize]) {
        const again = await browser.open(address)
        assert.deepEqual([again.status, again.url], [200, `${docs.url}${path}`], address)
      }
      assert.equal(relay.signIn.sessionCount, 1)
      assert.equal(store.writes, before, 'no session was made anew')
    })

    it(`B8, real-providers 6d: reloading the page of a failed sign-in offers ${what} again`, async () => {
      const browser = new Browser()
      const page = await browser.open(`${docs.url}${path}`)
      store.down = true
      const failed = await browser.submit(page, { username: 'ada', password: PASSWORD })
      assert.equal(failed.status, 503)
      store.down = false
      const reloaded = await browser.visit(failed.url)
      assert.deepEqual([reloaded.status, reloaded.headers['sallyport-error-code']], [400, 'ERR_SIGN_IN_EXPIRED'])
      const there = await browser.open(button(reloaded, 'Sign in again'))
      assert.deepEqual([there.status, there.url], [200, `${docs.url}${path}`])
    })
  }

  it('B8: the provider’s page in a fresh profile ends at a button, which leads to the wanted page', async () => {
    const { next } = await new Browser().visit(`${docs.url}${SHORT}`)
    const fresh = new Browser()
    const page = await fresh.submit(await fresh.open(next!), { username: 'ada', password: PASSWORD })
    assert.equal(page.status, 400)
    assert.match(page.body, /This sign-in is over/)
    assert.deepEqual([relay.signIn.sessionCount, relay.reached], [0, []])
    const there = await fresh.open(button(page, 'Sign in again'))
    assert.deepEqual([there.status, there.url], [200, `${docs.url}${SHORT}`])
  })

  it('B8, real-providers 6e: an old state leads on, with a session automatically and without one by a button', async () => {
    const browser = new Browser()
    const { callback, handOver } = await signIn(browser, SHORT)
    now += 3_000_000
    for (const address of [callback, handOver]) {
      assert.equal((await browser.open(address)).url, `${docs.url}${SHORT}`)
    }
    dropSession(browser)
    for (const address of [callback, handOver]) {
      const page = await browser.open(address)
      assert.deepEqual([page.status, page.headers['sallyport-error-code']], [400, 'ERR_SIGN_IN_EXPIRED'])
      assert.equal(page.headers['set-cookie'], undefined)
      const begun = await browser.visit(button(page, 'Sign in again'))
      assert.ok(begun.next?.startsWith(provider.issuer))
    }
  })

  it('B8: nothing leads to a host that the edge no longer serves', async () => {
    const browser = new Browser()
    const { callback } = await signIn(browser, SHORT)
    await relay.close()
    const { port } = relay
    relay = await startRelay({ store, port, clock: () => now })
    publishSignIn(relay.signIn, 'edg_docs', configFor(provider.issuer)) // which has another host now
    for (const later of [0, 3_000_000]) {
      now += later
      const page = await browser.visit(callback)
      assert.deepEqual([page.status, page.next], [400, undefined])
    }
    assert.match(relay.logLines.join(''), /docs\.localhost is no longer a host of edg_docs/)
  })

  it('B8: an expired or idle session does not count', async () => {
    const browser = new Browser()
    const { handOver } = await signIn(browser, SHORT)
    now += 8 * 3_600_000
    assert.equal((await browser.visit(handOver)).status, 400)
  })

  it('B8: programs get the same answer without a page', async () => {
    const { handOver } = await signIn(new Browser(), SHORT)
    const answer = await new Browser().fetch(handOver)
    assert.equal(answer.status, 400)
    assert.equal((JSON.parse(answer.body) as { code: string }).code, 'ERR_SIGN_IN_EXPIRED') // our own answer
  })

  it('real-providers 6c: a browser that keeps no cookies is told so, and never goes round in circles', async () => {
    const walk = async (from: string): Promise<Visit> => {
      const atProvider = new Browser() // this one keeps cookies
      let visit = await new Browser().visit(from)
      for (let step = 0; visit.next !== undefined; step++) {
        assert.ok(step < 20, 'a circle')
        const isOurs = !visit.next.startsWith(provider.issuer)
        visit = await (isOurs ? new Browser() : atProvider).visit(visit.next)
        if (visit.body.includes('name="password"')) {
          visit = await atProvider.visit(visit.url, {
            method: 'POST',
            headers: { 'content-type': 'application/x-www-form-urlencoded' },
            body: new URLSearchParams({ username: 'ada', password: PASSWORD }).toString(),
          })
        }
      }
      return visit
    }
    const first = await walk(`${docs.url}${SHORT}`)
    assert.equal(first.status, 400)
    assert.match(first.body, /This sign-in is over/)
    let page = first
    for (let round = 0; round < 2; round++) {
      page = await walk(button(page, 'Sign in again'))
      assert.deepEqual([page.status, page.headers['sallyport-error-code']], [400, 'ERR_SIGN_IN_EXPIRED'])
      assert.match(page.body, /Your browser keeps no cookies of this site/)
      assert.match(page.body, /Allow cookies for docs\.localhost/)
    }
    assert.equal(relay.signIn.sessionCount, 0)
  })

  it('real-providers 6b: thirty tabs that are opened at once each reach their own page after one sign-in', async () => {
    const browser = new Browser()
    const tabs: Visit[] = []
    for (let tab = 0; tab < 30; tab++) {
      now += 1
      tabs.push(await browser.visit(`${docs.url}/projects/relay/tab/${tab}?view=all`))
    }
    assert.ok(browser.cookieHeader(docs.url).length <= 8192)
    const first = await browser.submit(await browser.open(tabs[0]!.next!), { username: 'ada', password: PASSWORD })
    assert.equal(first.url, `${docs.url}/projects/relay/tab/0?view=all`)
    for (const [index, tab] of tabs.entries()) {
      const page = await browser.open(tab.next!)
      assert.deepEqual([page.status, page.url], [200, `${docs.url}/projects/relay/tab/${index}?view=all`])
    }
  })

  it('real-providers 6b: tabs beyond the room in cookies reach theirs, too, the first of them by one click', async () => {
    const browser = new Browser()
    const tabs: Visit[] = []
    for (let tab = 0; tab < 60; tab++) {
      now += 1
      tabs.push(await browser.visit(`${docs.url}/tab/${tab}`))
    }
    const refused = await browser.submit(await browser.open(tabs[0]!.next!), { username: 'ada', password: PASSWORD })
    assert.equal((await browser.open(button(refused, 'Sign in again'))).url, `${docs.url}/tab/0`)
    for (const [index, tab] of tabs.entries()) {
      assert.equal((await browser.open(tab.next!)).url, `${docs.url}/tab/${index}`)
    }
  })

  it('B8: an address that is too long for a cookie loses its query, not more', async () => {
    const browser = new Browser()
    const page = await signInAs(browser, `${docs.url}/report?q=${randomBytes(4500).toString('base64url')}`)
    assert.equal(page.url, `${docs.url}/report`)
  })

  it('B8: a state stays below 255 characters, whatever is wanted and however long the issuer’s names are', async () => {
    const long = relay.edge('docs', configFor(provider.issuer, { auth_id: 'a'.repeat(64), client_id: 'relay' }))
    for (const path of ['/', SHORT, LONG, `/${'x'.repeat(90)}`]) {
      const { next } = await new Browser().visit(`${long.url}${path}`)
      const state = new URL(next!).searchParams.get('state')!
      assert.ok(state.length < 255, `${state.length}`)
    }
  })

  describe('after the session', () => {
    const FORM = {
      method: 'POST',
      body: 'text=a+long+entry',
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        'sec-fetch-dest': 'document',
        'sec-fetch-mode': 'navigate',
        'sec-fetch-site': 'same-origin',
      },
    }

    it('real-providers 10: a submitted form gets a page that says it was not sent, and how to send it', async () => {
      const page = await new Browser().visit(`${docs.url}/save`, {
        ...FORM,
        headers: { ...FORM.headers, referer: `${docs.url}/form?id=7` },
      })
      assert.deepEqual([page.status, page.headers['sallyport-error-code']], [401, 'ERR_SIGN_IN_REQUIRED'])
      assert.match(page.body, /Your entry was not sent/)
      assert.match(page.body, /nothing of what you have just sent has arrived/)
      assert.ok(!page.body.includes('a long entry') && !page.body.includes('a+long+entry'))
      assert.match(page.body, / target="_blank">/)
      const browser = new Browser()
      const there = await signInAs(browser, button(page, 'Sign in, in a new tab'))
      assert.equal(there.url, `${docs.url}/form?id=7`)
      relay.reached.length = 0
      const reloaded = await browser.visit(`${docs.url}/save`, FORM)
      assert.equal(reloaded.status, 200, 'reloading sends it once more, now with the session')
      assert.deepEqual(
        relay.reached.map(({ target }) => target),
        ['/save'],
      )
    })

    for (const [what, referer] of [
      ['of another site', 'https://evil.example/x'],
      ['of a host that begins alike', 'http://docs.localhost.evil.example/x'],
      ['that is a foreign address behind ours', '//evil.example'],
      ['that would end the session', '/.sallyport/logout'],
    ] as const) {
      it(`real-providers 10: a previous page ${what} is not offered`, async () => {
        const page = await new Browser().visit(`${docs.url}/save`, {
          ...FORM,
          headers: { ...FORM.headers, referer: referer.startsWith('/') ? `${docs.url}${referer}` : referer },
        })
        const href = new URL(button(page, 'Sign in, in a new tab'))
        assert.deepEqual([href.origin, href.searchParams.get('return_to')], [docs.origin, '/'])
        assert.ok(!page.body.includes('evil.example'))
      })
    }

    it('real-providers 10: a form of another site is told that browsers send no session with it', async () => {
      const page = await new Browser().visit(`${docs.url}/save`, {
        ...FORM,
        headers: { ...FORM.headers, 'sec-fetch-site': 'cross-site' },
      })
      assert.equal(page.status, 401)
      assert.match(page.body, /It came from a page of another site/)
      assert.equal(button(page, 'Open this site'), `${docs.url}/`)
    })

    it('real-providers 10: requests of scripts and programs are answered as before', async () => {
      for (const headers of [
        { accept: 'application/json' },
        { accept: 'text/html', 'sec-fetch-dest': 'empty', 'sec-fetch-mode': 'cors' },
        { accept: 'text/html', 'sec-fetch-dest': 'empty', 'sec-fetch-mode': 'same-origin' },
      ]) {
        const answer = await new Browser().fetch(`${docs.url}/save`, { method: 'POST', body: 'x', headers })
        assert.equal(answer.status, 401)
        assert.equal(answer.headers['content-type'], 'application/problem+json')
      }
      assert.deepEqual(relay.reached, [])
    })

    it('real-providers 11: a frame of the same site shows a way on, and no other site may frame it', async () => {
      const page = await new Browser().fetch(`${docs.url}/widget?x=1`, {
        headers: { accept: 'text/html', 'sec-fetch-dest': 'iframe', 'sec-fetch-mode': 'navigate' },
      })
      assert.equal(page.status, 401)
      assert.match(String(page.headers['content-security-policy']), /frame-ancestors 'self'; base-uri 'none'$/)
      assert.match(page.body, / target="_top">Sign in</)
      const href = new URL(button(page, 'Sign in'))
      assert.equal(href.searchParams.get('return_to'), '/widget?x=1')
      assert.equal(page.headers['set-cookie'], undefined)
      const other = await new Browser().fetch(`${docs.url}/.sallyport/nothing`, {
        headers: { accept: 'text/html', 'sec-fetch-dest': 'iframe' },
      })
      assert.match(String(other.headers['content-security-policy']), /frame-ancestors 'none'/)
    })

    it('real-providers 11: a visitor who signs in returns to the page around the frame', async () => {
      const page = await new Browser().fetch(`${docs.url}/widget`, {
        headers: { accept: 'text/html', 'sec-fetch-dest': 'iframe', referer: `${docs.url}/board` },
      })
      assert.equal(new URL(button(page, 'Sign in')).searchParams.get('return_to'), '/board')
    })

    it('B8: a page that a service worker passes on is a navigation, but not requests by its scripts', async () => {
      const ask = (mode: string) =>
        new Browser().fetch(docs.url, {
          headers: { accept: 'text/html', 'sec-fetch-dest': 'empty', 'sec-fetch-mode': mode },
        })
      const page = await ask('navigate')
      assert.equal(page.status, 302)
      assert.ok(page.next?.startsWith(provider.issuer))
      for (const mode of ['cors', 'no-cors', 'same-origin', 'websocket']) assert.equal((await ask(mode)).status, 401)
      const image = { accept: 'text/html', 'sec-fetch-dest': 'image', 'sec-fetch-mode': 'navigate' }
      assert.equal((await new Browser().fetch(docs.url, { headers: image })).status, 401)
    })

    it('B8: with several sign-ins, a form leads to the choice', async () => {
      const config = configFor(provider.issuer, { auth_id: 'a' })
      const either = relay.edge('either', { ...config, alternatives: [{ ...config, auth_id: 'b' }] })
      const page = await new Browser().visit(`${either.url}/save`, FORM)
      const choice = await new Browser().visit(button(page, 'Sign in, in a new tab'))
      assert.equal(choice.status, 200)
      assert.match(choice.body, /Choose how to sign in/)
    })
  })

  describe('on other pages', () => {
    it('B8: a provider that is down can be tried again, at the wanted address', async () => {
      const away = relay.edge('away', configFor('http://127.0.0.1:9'))
      for (const path of ['/a?b=c', '/.sallyport/login?return_to=%2Fa']) {
        const page = await new Browser().visit(`${away.url}${path}`)
        assert.deepEqual([page.status, page.headers['sallyport-error-code']], [502, 'ERR_PROVIDER_UNREACHABLE'])
        assert.equal(button(page, 'Try again'), `${away.url}${path}`)
      }
    })

    it('B8: an unknown address of the relay leads to the site', async () => {
      for (const path of [
        '/.sallyport/nothing',
        '/.sallyport/login?auth_id=third',
        '/.sallyport/oidc/callback?box=x',
      ]) {
        const page = await new Browser().visit(`${docs.url}${path}`)
        assert.equal(button(page, 'Open this site'), `${docs.url}/`)
      }
    })

    it('B8: a sign-out that another site has sent leads to the page that asks', async () => {
      const page = await new Browser().visit(`${docs.url}/.sallyport/logout`, {
        method: 'POST',
        headers: { origin: 'https://evil.example' },
      })
      assert.deepEqual([page.status, page.headers['sallyport-error-code']], [403, 'ERR_ORIGIN_REFUSED'])
      assert.equal(button(page, 'Sign out here'), `${docs.url}/.sallyport/logout`)
      assert.equal(relay.exchanges.at(-1)?.user, undefined)
    })

    it('B8: an answer with an unknown state says what to do', async () => {
      const page = await new Browser().visit(
        `${redirectUri(relay.publicUrl.origin, provider.issuer)}?code=x&state=unknown`,
      )
      assert.equal(page.status, 400)
      assert.match(page.body, /Open the page that you wanted, and try again/)
    })
  })
})

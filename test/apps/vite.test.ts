// A Vite dev server behind sign-in, in a real Chromium: its page, its modules, and hot reload through the edge.

import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, describe, it } from 'node:test'

import { ChromiumBrowser, NO_CHROMIUM } from '../support/browser/chromium-browser.ts'
import { ADA, freePort } from '../support/processes.ts'
import { sendRaw } from '../support/raw-client.ts'
import { SignedInApp } from './signed-in-app.ts'

const VITE = join(dirname(createRequire(import.meta.url).resolve('vite/package.json')), 'bin/vite.js')
/** Vite answers only for hosts that it knows, which include everything below localhost. */
const FOREIGN_HOST = 'dev.example.test'

describe('a Vite dev server behind sign-in', { timeout: 120_000 }, () => {
  let folder: string
  let app: SignedInApp
  let chromium: ChromiumBrowser | undefined
  let vitePort: number

  before(async () => {
    chromium = await ChromiumBrowser.start()
    folder = await mkdtemp(join(tmpdir(), 'sallyport-vite-'))
    await mkdir(join(folder, 'src'))
    await writeFile(
      join(folder, 'index.html'),
      '<!doctype html><title>Vite</title><h1></h1><input><script type="module" src="/src/main.js"></script>',
    )
    await writeFile(
      join(folder, 'src/main.js'),
      `import { words } from './words.js'
const show = (text) => (document.querySelector('h1').textContent = text)
show(words)
import.meta.hot.accept('./words.js', (changed) => show(changed.words))`,
    )
    await writeFile(join(folder, 'src/words.js'), `export const words = 'before'`)
    vitePort = await freePort()
    app = await SignedInApp.start(`http://127.0.0.1:${vitePort}`, {
      edges: [
        {
          id: 'edg_foreign',
          hosts: [FOREIGN_HOST],
          routes: [{ path_prefix: '/', backend: { labels: { edge: 'edg_app' } } }],
        },
      ],
    })
    const vite = app.processes.start(
      'vite',
      [VITE, '--host', '127.0.0.1', '--port', String(vitePort), '--strictPort', '--clearScreen', 'false'],
      {},
      folder,
    )
    await vite.waitForLine('ready', (line) => line.includes('ready in'))
  })
  after(async () => {
    await chromium?.close()
    await app?.close()
    await rm(folder, { recursive: true, force: true })
  })

  it('reloads a changed module in place, over a WebSocket through the edge', async (test) => {
    if (!chromium) return test.skip(NO_CHROMIUM)
    const context = await chromium.privateWindow()
    const page = await context.newPage()
    const sockets: string[] = []
    page.on('websocket', (socket) => sockets.push(socket.url()))
    await page.goto(app.origin)
    await page.getByLabel('Username').fill(ADA.username)
    await page.getByLabel('Password').fill(ADA.password)
    const connected = page.waitForEvent('console', (message) => message.text().includes('[vite] connected'))
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByRole('heading', { name: 'before' }).waitFor()
    await connected
    await page.locator('input').fill('typed before the change')

    await writeFile(join(folder, 'src/words.js'), `export const words = 'after'`)
    await page.getByRole('heading', { name: 'after' }).waitFor()
    assert.equal(await page.locator('input').inputValue(), 'typed before the change', 'the page was not loaded anew')
    // Vite's client falls back to the dev server's own address, which a visitor elsewhere could not reach.
    assert.ok(sockets.length > 0 && sockets.every((url) => new URL(url).port === String(app.port)), sockets.join())
    await context.close()
  })

  it('needs its allowedHosts, or an agent that rewrites the Host, for other hosts', async () => {
    const ask = (): Promise<string> =>
      sendRaw(app.port, `GET /src/words.js HTTP/1.1\r\nHost: ${FOREIGN_HOST}\r\nConnection: close\r\n\r\n`)
    assert.match(await ask(), /^HTTP\/1\.1 403 [^]*allowedHosts/)
    await app.killAgent()
    await app.startAgent({ flags: ['--host-header', 'rewrite'] })
    assert.match(await ask(), /^HTTP\/1\.1 200 /)
  })
})

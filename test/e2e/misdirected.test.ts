// Edges with different demands on TLS under one certificate, in a real Chromium: it sends requests for one on the HTTP/2 connection of
// the other, gets 421, and repeats them on a connection of their own. The visitor notices nothing.

import assert from 'node:assert/strict'
import { X509Certificate, createHash } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, describe, it } from 'node:test'

import { ChromiumBrowser, NO_CHROMIUM } from '../support/browser/chromium-browser.ts'
import { NO_OPENSSL, makeCertificate } from '../support/certificate.ts'
import { httpApp, startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'

/** Chromium shares connections within one site only: the names are below one domain. */
const edge = (name: string, config?: object): string => {
  const on_tcp_connect = config ? [{ actions: [{ type: 'terminate-tls', config }] }] : []
  const backend = { labels: { edge: 'edg_app' } }
  return `- ${JSON.stringify({ id: `edg_${name}`, hosts: [`${name}.shop.localhost`], backend, policy: { on_tcp_connect } })}`
}

describe('edges with different TLS under one certificate (traffic policy, terminate-tls)', { timeout: 60_000 }, () => {
  let folder: string
  let stack: Stack | undefined
  let chromium: ChromiumBrowser | undefined
  let missing: string | undefined
  const reached: string[] = []

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sallyport-misdirected-'))
    const certificate = await makeCertificate(folder, ['relay.localhost', '*.shop.localhost'])
    if (!certificate) return void (missing = NO_OPENSSL)
    // With errors of the certificate that are only ignored, Chromium shares no connection.
    const { publicKey } = new X509Certificate(await readFile(certificate.certFile))
    const pin = createHash('sha256')
      .update(publicKey.export({ type: 'spki', format: 'der' }))
      .digest('base64')
    chromium = await ChromiumBrowser.start([`--ignore-certificate-errors-spki-list=${pin}`])
    if (!chromium) return void (missing = NO_CHROMIUM)
    stack = await startStack({
      app: httpApp((request, response) => {
        void text(request).then((body) => {
          reached.push(`${request.method} ${request.headers.host?.split('.')[0]} ${body}`.trim())
          response.writeHead(200, { 'content-type': 'text/html' }).end('<link rel="icon" href="data:,">the app')
        })
      }),
      certificate,
      edges: [edge('open'), edge('equal'), edge('new', { min_version: '1.3' })].join('\n'),
    })
  })
  after(async () => {
    await chromium?.close()
    await stack?.close()
    await rm(folder, { recursive: true, force: true })
  })

  /** The status and, for an error of the relay, its detail. */
  const exchanges = (): string[] =>
    (stack?.log ?? [])
      .splice(0)
      .map((line) => JSON.parse(line) as Partial<Record<'msg' | 'method' | 'host' | 'status' | 'detail', string>>) // of the relay
      .filter(({ msg }) => msg === 'exchange')
      .map(({ method, host, status, detail = '' }) => `${method} ${host?.split('.')[0]} ${status} ${detail}`.trim())

  it('lead Chromium to another connection, and each request reaches the app once', async (context) => {
    if (missing !== undefined || !chromium || !stack) return context.skip(missing)
    const window = await chromium.privateWindow()
    const page = await window.newPage()
    const urlOf = (name: string): string => `https://${name}.shop.localhost:${stack?.tlsPort}/`
    for (const name of ['open', 'equal', 'new', 'new']) {
      assert.equal((await page.goto(urlOf(name)))?.status(), 200, name)
    }
    assert.deepEqual(reached.splice(0), ['GET open', 'GET equal', 'GET new', 'GET new'])
    assert.deepEqual(exchanges(), [
      'GET open 200',
      'GET equal 200',
      'GET new 421 the handshake was for open.shop.localhost, without the demands of this edge',
      'GET new 200',
      'GET new 200',
    ])
    await window.close()
  })

  it('get the body of a form that Chromium has to send twice, once', async (context) => {
    if (missing !== undefined || !chromium || !stack) return context.skip(missing)
    const window = await chromium.privateWindow()
    const page = await window.newPage()
    await page.goto(`https://new.shop.localhost:${stack.tlsPort}/`)
    const answered = page.waitForResponse((response) => response.request().method() === 'POST')
    await page.setContent(
      `<form method=post action="https://open.shop.localhost:${stack.tlsPort}/"><input name=a value=b></form>`,
    )
    await page.evaluate('document.forms[0].submit()')
    assert.equal((await answered).status(), 200)
    assert.deepEqual(reached.splice(0), ['GET new', 'POST open a=b'])
    assert.deepEqual(exchanges(), [
      'GET new 200',
      'POST open 421 the handshake was for new.shop.localhost, with the demands of this edge',
      'POST open 200',
    ])
    await window.close()
  })
})

// Front-Channel Logout in a real Chromium: a frame of the provider ends sessions, a frame of another site does not.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { it } from 'node:test'

import { ChromiumBrowser, NO_CHROMIUM } from '../../../../test/support/browser/chromium-browser.ts'
import { configFor, startRelay } from './harness.test-support.ts'
import { startHostileProvider } from './hostile-provider.test-support.ts'

const SID = 'the-session-at-the-provider-1'

it('a frame of the provider ends the session of its sid; a frame of another site that guesses does not', async (t) => {
  const chromium = await ChromiumBrowser.start()
  if (!chromium) return t.skip(NO_CHROMIUM)
  const relay = await startRelay()
  const provider = await startHostileProvider()
  const frame = (sid: string): string =>
    `<!doctype html><title>bye</title><iframe src="${relay.publicUrl.href}oidc/frontchannel-logout?${new URLSearchParams({ iss: provider.issuer, sid }).toString().replaceAll('&', '&amp;')}"></iframe>`
  const evil = createServer((_, response) => {
    response.writeHead(200, { 'content-type': 'text/html' }).end(frame('a-guess-of-some-length'))
  })
  evil.listen(0, '127.0.0.1')
  await once(evil, 'listening')
  try {
    provider.behave.idToken = (nonce) => provider.idToken({ nonce, sid: SID })
    provider.behave.answer = {
      '/bye': (response) => response.writeHead(200, { 'content-type': 'text/html' }).end(frame(SID)),
    }
    const docs = relay.edge('docs', configFor(provider.issuer))
    const window = await chromium.privateWindow()
    const page = await window.newPage()
    await page.goto(docs.url)
    assert.match((await page.textContent('body')) ?? '', /hello user-1/)

    const framed = () => page.waitForResponse((response) => response.url().includes('/oidc/frontchannel-logout'))
    const [guess] = await Promise.all([
      framed(),
      page.goto(`http://evil.localhost:${(evil.address() as AddressInfo).port}/`), // it listens on TCP
    ])
    assert.equal(guess.status(), 200)
    assert.equal(relay.signIn.sessionCount, 1)
    assert.equal((await page.goto(docs.url))?.status(), 200)

    const [ended] = await Promise.all([framed(), page.goto(`${provider.issuer}/bye`)])
    assert.equal(ended.status(), 200)
    assert.equal((await ended.request().allHeaders()).cookie, undefined, 'no cookie came along')
    await page.frameLocator('iframe').getByText('Signed out.').waitFor()
    assert.equal(relay.signIn.sessionCount, 0)
  } finally {
    await chromium.close()
    evil.close().closeAllConnections()
    await relay.close()
    await provider.close()
  }
})

// The whole sign-in over HTTP, with a real identity provider and a small browser.

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'

import { Browser } from '../../../../../examples/demo/browser.ts'
import type { IdentityProvider } from '../../../../../examples/demo/identity-provider.ts'
import { configFor, signInAs, startProvider, startRelay, type Relay } from './harness.test-support.ts'

describe('signing in', () => {
  let relay: Relay
  let provider: IdentityProvider
  before(async () => {
    relay = await startRelay()
    provider = await startProvider(relay.port)
  })
  after(async () => {
    await relay.close()
    await provider.close()
  })

  it('leads from the wanted page through the provider back to the wanted page', async () => {
    const docs = relay.edge('docs', configFor(provider.issuer))
    const visits: string[] = []
    const browser = new Browser({ onVisit: ({ url, status }) => visits.push(`${status} ${url}`) })
    const page = await signInAs(browser, `${docs.url}/guide?page=2`)
    assert.equal(page.status, 200)
    assert.equal(page.body, 'hello user-1')
    assert.equal(page.url, `${docs.url}/guide?page=2`)
  })
})

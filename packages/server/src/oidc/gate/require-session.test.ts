// Races within one turn of the event loop, which no request over HTTP can time.

import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { it } from 'node:test'

import { Browser } from '../../../../../test/support/browser/browser.ts'
import { LOOPBACK } from '../../exchange/connection.test-support.ts'
import { Exchange } from '../../exchange/exchange.ts'
import type { VisitorResponse } from '../../exchange/exchange.ts'
import { configFor, publishSignIn, signInAs, startProvider, startRelay } from '../harness.test-support.ts'

it('attack 33: a session that ends while its token is being signed lets nothing pass', async () => {
  let now = Date.now()
  const relay = await startRelay({ clock: () => now })
  const provider = await startProvider(relay.port)
  try {
    const config = configFor(provider.issuer)
    const docs = relay.edge('docs', config)
    const browser = new Browser()
    await signInAs(browser, docs.url)
    const action = publishSignIn(relay.signIn, docs.id, config)
    const pass = async (): Promise<{ passed: boolean; outcome: Promise<void> }> => {
      const exchange = new Exchange({
        // All that the action reads of a request.
        request: { rawHeaders: ['Cookie', browser.cookieHeader(docs.url)], url: '/', method: 'GET' } as IncomingMessage,
        response: {} as VisitorResponse,
        connection: LOOPBACK,
        host: docs.host,
        clientIp: '127.0.0.1',
        forwardedFor: '127.0.0.1',
        scheme: 'http',
      })
      exchange.edgeId = docs.id
      exchange.origin = docs.origin
      const result = { passed: false, outcome: Promise.resolve() }
      result.outcome = action(exchange, async () => void (result.passed = true))
      return result
    }
    now += 60_000 // the token must be signed anew
    const first = await pass()
    await first.outcome
    assert.equal(first.passed, true)

    now += 60_000
    const second = await pass()
    const revoked = relay.signIn.sessions.revoke(relay.signIn.sessions.list()[0]!.id)
    await assert.rejects(second.outcome, { code: 'sign_in_required' })
    assert.equal(second.passed, false)
    assert.equal(await revoked, true)
  } finally {
    await relay.close()
    await provider.close()
  }
})

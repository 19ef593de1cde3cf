// What only a clock can show: how long a verdict on a token is kept.

import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { it } from 'node:test'

import { TokenIssuer } from '../../../../../test/support/identity-provider/token-issuer.ts'
import { jwtValidationSchema } from './jwt-validation-schema.ts'
import { LOOPBACK } from '../../exchange/connection.test-support.ts'
import { Exchange } from '../../exchange/exchange.ts'
import type { VisitorResponse } from '../../exchange/exchange.ts'
import { createLog } from '../../log.ts'
import { SignedIdentity } from '../../identity/signed-identity.ts'
import { jwtValidation } from './jwt-validation.ts'
import { providerFetch } from '../../oidc/provider/provider-fetch.ts'

const MINUTE = 60_000

it('a token is verified once in ten minutes; a key that the issuer has withdrawn is believed no longer', async (t) => {
  const issuer = await TokenIssuer.start()
  const closing = new AbortController()
  t.after(() => {
    closing.abort()
    issuer.close()
  })
  let now = Date.now()
  const action = jwtValidation(
    jwtValidationSchema.parse({
      issuer: { allow_list: [{ value: issuer.url }] },
      audience: { allow_list: [{ value: 'api://docs' }] },
    }),
    {
      edgeId: 'edg_docs',
      fetchFrom: (home) => providerFetch(5000, home),
      identify: (plain) => new SignedIdentity(plain, undefined),
      clock: () => now,
      log: createLog({ level: 'silent' }),
      closing: closing.signal,
    },
  )
  const pass = async (token: string): Promise<string | undefined> => {
    const exchange = new Exchange({
      // All that the action reads of a request.
      request: { rawHeaders: ['Authorization', `Bearer ${token}`], url: '/', method: 'GET' } as IncomingMessage,
      response: {} as VisitorResponse,
      connection: LOOPBACK,
      host: 'docs.localhost',
      clientIp: '127.0.0.1',
      forwardedFor: '127.0.0.1',
      scheme: 'http',
    })
    let passed = false
    await action(exchange, async () => void (passed = true))
    assert.ok(passed)
    return exchange.identity?.subject
  }
  const exp = Math.floor(now / 1000) + 3600
  const [early, late] = [await issuer.token({ sub: 'early', exp }), await issuer.token({ sub: 'late', exp })]
  assert.equal(await pass(early), 'early')
  now += 5 * MINUTE
  assert.deepEqual(await Promise.all([pass(late), pass(late), pass(late)]), ['late', 'late', 'late'])
  await issuer.addKey('other', 'ES256')
  issuer.removeKey('first')
  const asked = issuer.asked.length
  now += 5 * MINUTE + 1
  assert.equal(await pass(late), 'late')
  assert.equal(issuer.asked.length, asked, 'known for five minutes, so no key was looked at')
  await assert.rejects(pass(early), { code: 'credentials_refused' })
  now += 5 * MINUTE
  await assert.rejects(pass(late), { code: 'credentials_refused' })
})

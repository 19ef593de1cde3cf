// Tests that need a clock: how long the result of a check of a token is kept.

import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { it } from 'node:test'
import type { TestContext } from 'node:test'

import { TokenIssuer } from '../../../../../test/support/identity-provider/token-issuer.ts'
import { jwtValidationSchema } from './jwt-validation-schema.ts'
import { LOOPBACK } from '../../exchange/connection.test-support.ts'
import { Exchange } from '../../exchange/exchange.ts'
import type { VisitorResponse } from '../../exchange/exchange.ts'
import { createLog } from '../../log.ts'
import { SignedIdentity } from '../../identity/signed-identity.ts'
import { jwtValidation } from './jwt-validation.ts'
import { PassCounts } from './passes.ts'
import { providerFetch } from '../../oidc/provider/provider-fetch.ts'
import { NO_SOURCES } from '../sources/no-sources.test-support.ts'

const MINUTE = 60_000

interface Pass {
  exchange: Exchange
  /** Resolves when the action lets it go. @param next runs behind the action */
  through(next?: () => Promise<void>): Promise<string | undefined>
}

/** The action, an issuer of tokens, and a clock. */
async function setUp(t: TestContext) {
  const issuer = await TokenIssuer.start()
  const ends: (() => void)[] = []
  const close = (): void => ends.splice(0).forEach((end) => end())
  t.after(() => {
    close()
    issuer.close()
  })
  const clock = { now: Date.now() }
  const action = jwtValidation(
    jwtValidationSchema.parse({
      issuer: { allow_list: [{ value: issuer.url }] },
      audience: { allow_list: [{ value: 'api://docs' }] },
    }),
    {
      edgeId: 'edg_docs',
      tenant: 'edg_docs',
      passCounts: new PassCounts(),
      bodies: { read: () => assert.fail('no token is in a body') },
      readsResult: () => false,
      fetchFrom: (home) => providerFetch(5000, home),
      identify: (plain) => new SignedIdentity(plain, undefined),
      clock: () => clock.now,
      sources: NO_SOURCES,
      log: createLog({ level: 'silent' }),
      onClose: (end) => void ends.push(end),
    },
  )
  const passWith = (token: string): Pass => {
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
    return {
      exchange,
      async through(next = async () => {}) {
        let passed = false
        await action(exchange, () => {
          passed = true
          return next()
        })
        assert.ok(passed)
        return exchange.identity?.subject
      },
    }
  }
  return { issuer, clock, passWith, close }
}

it('a token is verified once in ten minutes; a key that the issuer has withdrawn is believed no longer', async (t) => {
  const { issuer, clock, passWith } = await setUp(t)
  const pass = (token: string): Promise<string | undefined> => passWith(token).through()
  const exp = Math.floor(clock.now / 1000) + 3600
  const [early, late] = [await issuer.token({ sub: 'early', exp }), await issuer.token({ sub: 'late', exp })]
  assert.equal(await pass(early), 'early')
  clock.now += 5 * MINUTE
  assert.deepEqual(await Promise.all([pass(late), pass(late), pass(late)]), ['late', 'late', 'late'])
  await issuer.addKey('other', 'ES256')
  issuer.removeKey('first')
  const asked = issuer.asked.length
  clock.now += 5 * MINUTE + 1
  assert.equal(await pass(late), 'late')
  assert.equal(issuer.asked.length, asked, 'known for five minutes, so no key was looked at')
  await assert.rejects(pass(early), { code: 'credentials_refused' })
  clock.now += 5 * MINUTE
  await assert.rejects(pass(late), { code: 'credentials_refused' })
})

it('exchanges are cut when their token expires, even if their edge has gone by then (the house, 4)', async (t) => {
  const { issuer, clock, passWith, close } = await setUp(t)
  t.mock.timers.enable({ apis: ['setInterval'] })
  const pass = passWith(await issuer.token({ exp: Math.floor(clock.now / 1000) + 60 }))
  const cut = t.mock.method(pass.exchange, 'cut', () => {})
  const [came, over] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const through = pass.through(() => {
    came.resolve()
    return over.promise
  })
  await came.promise
  close()
  t.mock.timers.tick(1000)
  assert.equal(cut.mock.callCount(), 0)
  clock.now += 2 * MINUTE
  t.mock.timers.tick(1000)
  assert.equal(cut.mock.callCount(), 1)
  over.resolve()
  await through
})

import assert from 'node:assert/strict'
import { lookup } from 'node:dns/promises'
import { setImmediate as turn } from 'node:timers/promises'
import { describe, it } from 'node:test'

import { Secret } from '@sallyport/protocol'

import { RelayError } from '../../errors.ts'
import { Attempts } from '../../exchange/attempts.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import { Leniency } from '../leniency.ts'
import { basicAuth, type BasicAuthParts } from './basic-auth.ts'
import { PasswordQueue } from './password-queue.ts'
import { PasswordTries } from './password-tries.ts'
import { NO_SOURCES } from '../sources/no-sources.test-support.ts'

/** Work that the test ends. */
class Works {
  readonly begun: string[] = []
  readonly #ends: (() => void)[] = []

  of(name: string): () => Promise<string> {
    return async () => {
      this.begun.push(name)
      await new Promise<void>((resolve) => this.#ends.push(resolve))
      return name
    }
  }

  async endOne(): Promise<void> {
    this.#ends.shift()?.()
    await turn()
  }
}

const isTooMany = (error: unknown): boolean => error instanceof RelayError && error.code === 'too_many_requests'

describe('PasswordQueue', { timeout: 10_000 }, () => {
  it('S7: works on two at once, of any tenants, and serves tenants in turn', async () => {
    const queue = new PasswordQueue(() => 0)
    const works = new Works()
    const all = ['a1', 'a2', 'a3', 'a4', 'a5', 'b1', 'c1', 'b2'].map((name) => queue.take(name[0]!, works.of(name)))
    await turn()
    assert.deepEqual(works.begun, ['a1', 'a2'])
    for (let count = 0; count < all.length; count++) await works.endOne()
    assert.deepEqual(works.begun, ['a1', 'a2', 'a3', 'b1', 'c1', 'a4', 'b2', 'a5'])
    assert.deepEqual(await Promise.all(all), ['a1', 'a2', 'a3', 'a4', 'a5', 'b1', 'c1', 'b2'])
  })

  it('S7: lets 32 of a tenant wait, and a full tenant keeps nobody else out', async () => {
    const queue = new PasswordQueue(() => 0)
    const works = new Works()
    const full = Array.from({ length: 34 }, () => queue.take('full', works.of('full')))
    await assert.rejects(queue.take('full', works.of('one too many')), isTooMany)
    const other = queue.take('other', works.of('other'))
    await works.endOne()
    await works.endOne()
    assert.ok(works.begun.includes('other'), works.begun.join())
    while (works.begun.length < 35) await works.endOne()
    for (let count = 0; count < 35; count++) await works.endOne()
    await Promise.all([...full, other])
    assert.ok(!works.begun.includes('one too many'))
  })

  it('S7: refuses a try that has waited too long, and continues with the others', async () => {
    let now = 0
    const queue = new PasswordQueue(() => now)
    const works = new Works()
    const first = [queue.take('a', works.of('1')), queue.take('a', works.of('2'))]
    const late = assert.rejects(queue.take('a', works.of('late')), isTooMany)
    now = 10_001
    const inTime = queue.take('a', works.of('in time'))
    await works.endOne()
    await late
    assert.deepEqual(works.begun, ['1', '2', 'in time'])
    await works.endOne()
    await works.endOne()
    await Promise.all([...first, inTime])
    // The places are free again.
    const next = queue.take('a', async () => 'free')
    assert.equal(await next, 'free')
  })

  it('passes a place on when the work fails', async () => {
    const queue = new PasswordQueue(() => 0)
    const fail = async (): Promise<never> => {
      throw new Error('no memory')
    }
    await Promise.all(Array.from({ length: 5 }, () => assert.rejects(queue.take('a', fail), /no memory/)))
    assert.equal(await queue.take('a', async () => 'works'), 'works')
  })
})

describe('basic-auth of many edges', { timeout: 60_000 }, () => {
  const NOBODY = new Attempts(1_000_000)

  function partsOf(edgeId: string, queue: PasswordQueue, byNetwork = NOBODY): BasicAuthParts {
    return {
      edgeId,
      tenant: edgeId,
      leniency: new Leniency({ warn: () => {} }, () => 0),
      passwordQueue: queue,
      passwordTries: new PasswordTries({ byNetwork, byUser: NOBODY, byNobody: NOBODY }),
      clock: Date.now,
      sources: NO_SOURCES,
      log: { warn: () => {} },
      // The parts of an exchange that the tests need.
      identify: () => ({ at: () => ({ subject: 'a', issuer: 'x', groups: [] }) }) as never,
    }
  }

  const hashOf = (user: string): { user: string; password: Secret } => ({
    user,
    password: new Secret(`$scrypt$ln=15,r=8,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`),
  })

  /** The parts of an exchange that a refusal reads. */
  const exchangeOf = (credentials: string, clientIp: string, isGone = false): Exchange =>
    ({
      header: () => `Basic ${Buffer.from(credentials).toString('base64')}`,
      clientIp,
      response: { destroyed: isGone },
    }) as unknown as Exchange

  it('S7: leaves room for look-ups of providers, however many passwords are tried', async () => {
    const queue = new PasswordQueue(Date.now)
    let checked = 0
    const tries = Array.from({ length: 24 }, (_, index) => {
      const action = basicAuth(
        { credentials: [hashOf('a')], enforce: true, forward_credentials: false },
        partsOf(`edg_${index}`, queue),
      )
      return action(exchangeOf('a:wrong-password', `192.0.2.${index}`), async () => {}).catch(() => checked++)
    })
    await turn()
    await lookup('localhost')
    assert.ok(checked < 12, `the look-up waited for ${checked} hashes`)
    await Promise.all(tries)
    assert.equal(checked, tries.length)
  })

  it('S7: counts a try for each hash that it compares', async () => {
    const attempts = new Attempts(3)
    const credentials = [hashOf('a'), hashOf('a'), hashOf('a')]
    const action = basicAuth(
      { credentials, enforce: true, forward_credentials: false },
      partsOf('edg_x', new PasswordQueue(Date.now), attempts),
    )
    const send = async (): Promise<string> => {
      const code = await action(exchangeOf('a:wrong-password', '192.0.2.1'), async () => {}).catch(
        (error: unknown) => error instanceof RelayError && error.code,
      )
      return String(code)
    }
    assert.equal(await send(), 'credentials_refused')
    assert.equal(await send(), 'too_many_requests')
  })

  it('S7: compares nothing for a visitor who has gone meanwhile', async () => {
    let compared = 0
    const queue = new PasswordQueue(Date.now)
    const parts = partsOf('edg_x', queue)
    const action = basicAuth({ credentials: [hashOf('a')], enforce: true, forward_credentials: false }, parts)
    const began = performance.now()
    const gone = Array.from({ length: 32 }, () =>
      action(exchangeOf('a:wrong-password', '192.0.2.1', true), async () => void compared++).catch(() => {}),
    )
    await Promise.all(gone)
    assert.equal(compared, 0)
    assert.ok(performance.now() - began < 500, 'no hash was made')
  })
})

// The verified tokens of one `jwt-validation`. A token is verified once; after that it costs a hash and a look-up, until it expires
// or the issuer's keys must be checked again. Exchanges with a token are cut when the token expires.

import { hash } from 'node:crypto'

import type { SignedIdentity } from '../../identity/signed-identity.ts'
import { UnderWay } from '../under-way.ts'

const TENANT_MAX = 10_000 // tokens in use at once; if an issuer makes a token for each call, the latest are kept
const VERIFIED_MS = 10 * 60_000 // as long as keys are trusted, in key-set.ts
const SWEEP_MS = 1000 // exchanges end within this time after their token has expired

/** A verified token. */
export interface Pass {
  readonly identity: SignedIdentity
  readonly underWay: UnderWay
  /** When the token expires, including the tolerance. */
  readonly endsAt: number
  verifiedUntil: number
}

/** @throws RelayError if the token is refused */
export type Verify = (now: number) => Promise<Pick<Pass, 'identity' | 'endsAt'>>

/** How many tokens all actions of a tenant hold: an agent can have many endpoints, and an issuer of its own. */
export class PassCounts {
  readonly #byTenant = new Map<string, number>()
  readonly #tenantMax: number

  constructor(tenantMax = TENANT_MAX) {
    this.#tenantMax = tenantMax
  }

  add(tenant: string, passes: 1 | -1): void {
    const count = (this.#byTenant.get(tenant) ?? 0) + passes
    if (count > 0) this.#byTenant.set(tenant, count)
    else this.#byTenant.delete(tenant)
  }

  isOver(tenant: string): boolean {
    return (this.#byTenant.get(tenant) ?? 0) > this.#tenantMax
  }
}

export interface PassesInit {
  readonly tenant: string
  readonly counts: PassCounts
  readonly clock: () => number
}

export class Passes {
  readonly #init: PassesInit
  /** In the order of their last check. */
  readonly #passes = new Map<string, Pass>()
  readonly #verifying = new Map<string, Promise<Pass>>()
  /** Runs while there is a pass: an unused route costs nothing. */
  #sweeper: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(init: PassesInit) {
    this.#init = init
  }

  /**
   * The pass of a token; a promise only if it must be verified, once for all requests that come with it at the same time.
   * @param kind distinguishes checks of the same token
   */
  of(token: string, kind: string, verify: Verify): Pass | Promise<Pass> {
    const now = this.#init.clock()
    const key = `${kind} ${hash('sha256', token, 'base64')}`
    const known = this.#passes.get(key)
    if (known && now < known.verifiedUntil) return known
    let verifying = this.#verifying.get(key)
    if (!verifying) {
      verifying = this.#verify(key, verify, now).finally(() => this.#verifying.delete(key))
      this.#verifying.set(key, verifying)
    }
    return verifying
  }

  /** Called for a token that is no longer valid. Its exchanges are cut. */
  revoke(token: string, kind: string): void {
    const key = `${kind} ${hash('sha256', token, 'base64')}`
    this.#passes.get(key)?.underWay.cut('the token is not valid any more')
    this.#forget(key)
  }

  /** Exchanges under way continue until their tokens expire. */
  close(): void {
    this.#isClosed = true
    this.#sweep()
  }

  async #verify(key: string, verify: Verify, now: number): Promise<Pass> {
    const { identity, endsAt } = await verify(now)
    const pass = this.#passes.get(key) ?? { identity, underWay: new UnderWay(), endsAt, verifiedUntil: 0 }
    pass.verifiedUntil = Math.min(endsAt, now + VERIFIED_MS)
    this.#forget(key)
    this.#passes.set(key, pass)
    const { counts, tenant } = this.#init
    counts.add(tenant, 1)
    this.#sweeper ??= setInterval(() => this.#sweep(), SWEEP_MS).unref()
    if (counts.isOver(tenant)) this.#forgetOldest(pass)
    return pass
  }

  #sweep(): void {
    const now = this.#init.clock()
    for (const [key, pass] of this.#passes) {
      if (now >= pass.endsAt) pass.underWay.cut('the token has expired')
      else if (!this.#isClosed || pass.underWay.size > 0) continue // it is cut when its token expires, closed or not
      this.#forget(key)
    }
    if (this.#passes.size > 0) return
    clearInterval(this.#sweeper)
    this.#sweeper = undefined
  }

  /**
   * Forgets the pass that was checked longest ago and has no exchanges under way, because those of a forgotten one would
   * not be cut.
   */
  #forgetOldest(newest: Pass): void {
    for (const [key, pass] of this.#passes) {
      if (pass === newest || pass.underWay.size > 0) continue
      return this.#forget(key)
    }
  }

  #forget(key: string): void {
    if (this.#passes.delete(key)) this.#init.counts.add(this.#init.tenant, -1)
  }
}

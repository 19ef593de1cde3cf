// One identity with its `Sallyport-Auth-Jwt`: signed on first use, then reused for a minute.

import type { Identity } from '../exchange/identity.ts'

const SIGNED_MS = 60_000 // signing costs 115 µs; the token lives longer than this

/** Makes the signed form of identities, or leaves them unchanged if apps get no token. */
export type Identify = (plain: Identity) => SignedIdentity

export class SignedIdentity {
  readonly #plain: Identity
  readonly #sign: ((identity: Identity, now: number) => Promise<string>) | undefined
  #signed: Identity | undefined
  #signedUntil = 0
  #signing: Promise<Identity> | undefined

  /** @param sign undefined if the app gets no token */
  constructor(plain: Identity, sign: ((identity: Identity, now: number) => Promise<string>) | undefined) {
    this.#plain = Object.freeze(plain)
    this.#sign = sign
  }

  /** The identity for the app; a promise only if a token must be signed, once for all concurrent callers. */
  at(now: number): Identity | Promise<Identity> {
    if (!this.#sign) return this.#plain
    if (this.#signed && now < this.#signedUntil) return this.#signed
    this.#signing ??= this.#sign(this.#plain, now)
      .then((jwt) => {
        this.#signed = Object.freeze({ ...this.#plain, jwt })
        this.#signedUntil = now + SIGNED_MS
        return this.#signed
      })
      .finally(() => (this.#signing = undefined))
    return this.#signing
  }
}

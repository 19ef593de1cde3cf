// Signs `Sallyport-Auth-Jwt`, by which an app can check for itself who the visitor is. One ES256 key pair for the
// relay, made at first start; the private half is sealed in the store.

import { SignJWT, calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type CryptoKey, type JWK } from 'jose'
import { z } from 'zod'

import { ConfigError } from '../../errors.ts'
import type { Identity } from '../../exchange/identity.ts'
import type { Keys } from '../../keys.ts'
import { StoreConflict, type Store } from '../../store/store.ts'

const KEY_NAME = 'identity-jwt'
const PURPOSE = 'identity jwt key'
const LIFE_S = 300 // longer than any clock is wrong, shorter than anyone's session

const schema = z.object({
  public_jwk: z.object({ kty: z.string(), crv: z.string(), x: z.string(), y: z.string(), kid: z.string() }),
  sealed_private_jwk: z.string(),
})

export class IdentityTokens {
  readonly #issuer: string
  readonly #privateKey: CryptoKey
  readonly #publicJwk: JWK

  private constructor(issuer: string, privateKey: CryptoKey, publicJwk: JWK) {
    this.#issuer = issuer
    this.#privateKey = privateKey
    this.#publicJwk = publicJwk
  }

  /** Takes the key pair from the store, or makes it. Throws `StoreUnavailable`. */
  static async open(issuer: string, store: Store, keys: Keys): Promise<IdentityTokens> {
    const bucket = store.bucket('keys', (stored) => schema.parse(stored))
    let entry = (await bucket.get(KEY_NAME))?.value
    if (!entry) {
      const made = await makeKeyPair(keys)
      try {
        await bucket.put(KEY_NAME, made, { expectedRevision: 0 })
        entry = made
      } catch (error) {
        if (!(error instanceof StoreConflict)) throw error
        // Another relay of the same store was quicker.
        entry = (await bucket.get(KEY_NAME))?.value
      }
    }
    const privateJwk = entry && keys.openBox(PURPOSE, entry.sealed_private_jwk)
    if (!entry || privateJwk === undefined) {
      const message =
        'the database was made with another relay key; restore SALLYPORT_SECRET or the key file beside the database, ' +
        'or remove the database to begin anew (authtokens and sign-ins are lost)'
      throw new ConfigError([{ path: 'store', message }])
    }
    const privateKey = await importJWK(JSON.parse(privateJwk) as JWK, 'ES256') // ours, authenticated by the box
    return new IdentityTokens(issuer, privateKey as CryptoKey, entry.public_jwk) // an EC key is never bytes
  }

  /** The public half, for `/.well-known/jwks.json`. */
  get jwks(): { keys: JWK[] } {
    return { keys: [{ ...this.#publicJwk, use: 'sig', alg: 'ES256' }] }
  }

  /** @param edgeId becomes the audience: a token for one app is refused by another */
  async sign(identity: Identity, edgeId: string, now: number): Promise<string> {
    const issuedAt = Math.floor(now / 1000)
    return new SignJWT({
      idp: identity.issuer, // a subject is unique only together with who named it
      ...(identity.email !== undefined && { email: identity.email }),
      ...(identity.name !== undefined && { name: identity.name }),
      groups: [...identity.groups],
    })
      .setProtectedHeader({ alg: 'ES256', typ: 'JWT', kid: this.#publicJwk.kid! }) // made with one
      .setIssuer(this.#issuer)
      .setAudience(edgeId)
      .setSubject(identity.subject)
      .setIssuedAt(issuedAt)
      .setExpirationTime(issuedAt + LIFE_S)
      .sign(this.#privateKey)
  }
}

async function makeKeyPair(keys: Keys): Promise<z.output<typeof schema>> {
  const pair = await generateKeyPair('ES256', { extractable: true })
  const { kty, crv, x, y } = await exportJWK(pair.publicKey)
  const kid = await calculateJwkThumbprint(pair.publicKey)
  return {
    public_jwk: { kty: kty!, crv: crv!, x: x!, y: y!, kid }, // RFC 7518 6.2.1: an EC key has all of them
    sealed_private_jwk: keys.sealBox(PURPOSE, JSON.stringify(await exportJWK(pair.privateKey))),
  }
}

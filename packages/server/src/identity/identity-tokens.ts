// Signs `Sallyport-Auth-Jwt`, by which an app can itself verify who the visitor is. ES256; the keys are made here,
// kept in the store with their private halves sealed, and changed every month.

import {
  createHash,
  createPrivateKey,
  generateKeyPairSync,
  sign as signBytes,
  type JsonWebKey,
  type KeyObject,
} from 'node:crypto'

import { z } from 'zod'

import { ConfigError } from '../errors.ts'
import type { Identity } from '../exchange/identity.ts'
import type { Keys } from '../keys.ts'
import type { Logger } from '../log.ts'
import { StoreConflict, type Bucket, type Store } from '../store/store.ts'
import { nextKeySignsFrom, publishedKeys, signingKey } from './identity-key-schedule.ts'
import { SignedIdentity, type Identify } from './signed-identity.ts'

const KEYS_NAME = 'identity-jwt-keys'
const PURPOSE = 'identity jwt key'
const LIFE_S = 300 // longer than clocks are wrong, shorter than a session
const LOOK_MS = 3_600_000 // a further key is published for a day before it signs

const keySchema = z.object({
  public_jwk: z.object({ kty: z.string(), crv: z.string(), x: z.string(), y: z.string(), kid: z.string() }),
  sealed_private_jwk: z.string(),
  signs_from: z.number(),
})
const schema = z.object({ keys: z.array(keySchema).min(1) })

type StoredKey = z.output<typeof keySchema>
type StoredKeys = z.output<typeof schema>

interface IdentityKey extends StoredKey {
  privateKey: KeyObject
}

export type PublishedJwk = StoredKey['public_jwk'] & { use: 'sig'; alg: 'ES256' }

export interface IdentityTokensInit {
  /** `iss` of every token: the origin of `public_url`. */
  issuer: string
  store: Store
  keys: Keys
  log: Logger
  clock?: () => number
}

export class IdentityTokens {
  readonly #issuer: string
  readonly #bucket: Bucket<StoredKeys>
  readonly #relayKeys: Keys
  readonly #log: Logger
  #keys: readonly IdentityKey[] = []
  #looking: NodeJS.Timeout | undefined

  private constructor({ issuer, store, keys, log }: IdentityTokensInit) {
    this.#issuer = issuer
    this.#bucket = store.bucket('keys', (stored) => schema.parse(stored), { known: Object.keys(schema.shape) })
    this.#relayKeys = keys
    this.#log = log
  }

  /**
   * Takes the keys from the store, or makes the first.
   * @throws StoreUnavailable, or ConfigError if they are sealed by another relay key
   */
  static async open(init: IdentityTokensInit): Promise<IdentityTokens> {
    const { clock = Date.now } = init
    const tokens = new IdentityTokens(init)
    await tokens.rotate(clock())
    tokens.#looking = setInterval(() => void tokens.#rotateAnyway(clock()), LOOK_MS).unref()
    return tokens
  }

  /** The public halves, for `/.well-known/jwks.json`. */
  jwks(now: number): { keys: PublishedJwk[] } {
    return { keys: publishedKeys(this.#keys, now).map((key) => ({ ...key.public_jwk, use: 'sig', alg: 'ES256' })) }
  }

  /** How the apps of an edge learn who a visitor is: with a token, or without. */
  identifier(edgeId: string, withToken: boolean): Identify {
    const sign = withToken ? (identity: Identity, now: number) => this.sign(identity, edgeId, now) : undefined
    return (plain) => new SignedIdentity(plain, sign)
  }

  /** @param edgeId becomes the audience: a token for one app is refused by another */
  async sign(identity: Identity, edgeId: string, now: number): Promise<string> {
    const { public_jwk, privateKey } = signingKey(this.#keys, now)
    const issuedAt = Math.floor(now / 1000)
    const header = { alg: 'ES256', typ: 'JWT', kid: public_jwk.kid }
    const claims = {
      iss: this.#issuer,
      aud: edgeId,
      sub: identity.subject,
      idp: identity.issuer, // a subject is unique only together with its issuer
      ...(identity.email !== undefined && { email: identity.email }),
      ...(identity.name !== undefined && { name: identity.name }),
      groups: [...identity.groups],
      ...(identity.authTime !== undefined && { auth_time: identity.authTime }),
      iat: issuedAt,
      exp: issuedAt + LIFE_S,
    }
    const signed = `${base64url(header)}.${base64url(claims)}`
    // RFC 7518 3.4: the signature is R and S one after the other, not the DER that OpenSSL makes by default.
    const signature = signBytes('sha256', Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' })
    return `${signed}.${signature.toString('base64url')}`
  }

  /**
   * Makes a further key if it is time, forgets keys whose tokens have expired, and takes keys that another relay has
   * made.
   */
  async rotate(now: number): Promise<void> {
    const entry = await this.#bucket.get(KEYS_NAME)
    const before = entry?.value.keys ?? []
    const keys = publishedKeys(before, now)
    const signsFrom = before.length === 0 ? now : nextKeySignsFrom(keys, now)
    if (signsFrom !== undefined) keys.push(this.#make(signsFrom))
    if (signsFrom === undefined && keys.length === before.length) return this.#adopt(keys)
    try {
      await this.#bucket.put(KEYS_NAME, { keys }, { expectedRevision: entry?.revision ?? 0 })
      this.#adopt(keys)
    } catch (error) {
      if (!(error instanceof StoreConflict)) throw error
      // Another relay on the same store was faster.
      const other = await this.#bucket.get(KEYS_NAME)
      if (!other) throw error
      this.#adopt(other.value.keys)
    }
  }

  close(): void {
    clearInterval(this.#looking)
  }

  async #rotateAnyway(now: number): Promise<void> {
    try {
      await this.rotate(now)
    } catch (error) {
      // The present keys stay in use; the next check is in an hour.
      this.#log.warn(
        { error: error instanceof Error ? error.message : String(error) },
        'identity keys were not renewed',
      )
    }
  }

  #adopt(keys: readonly StoredKey[]): void {
    const known = new Map(this.#keys.map((key) => [key.public_jwk.kid, key.privateKey]))
    this.#keys = keys.map((key) => ({ ...key, privateKey: known.get(key.public_jwk.kid) ?? this.#open(key) }))
  }

  #open({ sealed_private_jwk }: StoredKey): KeyObject {
    const written = this.#relayKeys.openBox(PURPOSE, sealed_private_jwk)
    if (written === undefined) {
      const message =
        'the database was made with another relay key; restore SALLYPORT_SECRET or the key file beside the database, ' +
        'or remove the database to start again (authtokens and sign-ins are lost)'
      throw new ConfigError([{ path: 'store', message }])
    }
    return createPrivateKey({ key: JSON.parse(written) as JsonWebKey, format: 'jwk' }) // ours, authenticated by the box
  }

  #make(signsFrom: number): StoredKey {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const { d, crv, kty, x, y } = privateKey.export({ format: 'jwk' }) as Record<
      'd' | 'crv' | 'kty' | 'x' | 'y',
      string
    > // RFC 7518 6.2: an EC key has all of them
    // RFC 7638 3.2: the thumbprint is over these members, in this order, without spaces.
    const kid = createHash('sha256').update(JSON.stringify({ crv, kty, x, y })).digest('base64url')
    return {
      public_jwk: { kty, crv, x, y, kid },
      sealed_private_jwk: this.#relayKeys.sealBox(PURPOSE, JSON.stringify({ kty, crv, x, y, d })),
      signs_from: signsFrom,
    }
  }
}

function base64url(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

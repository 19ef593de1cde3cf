// The public keys of one issuer of tokens, fetched on first use and kept. Tokens with invented key ids cause at most
// two requests a minute. Tokens stay valid while an issuer is down for up to a day.

import type { CryptoKey, FlattenedJWSInput, JSONWebKeySet, JWSHeaderParameters } from 'jose'

import type { Logger } from '../../log.ts'
import { followingOnce } from './discovery-document.ts'
import { ProviderUnreachable, type ProviderFetch } from './provider-fetch.ts'
import { inWords } from './provider-words.ts'
import { withoutNulls } from './without-nulls.ts'

const FRESH_MS = 10 * 60_000 // a withdrawn key is trusted no longer than this
const STALE_MS = 24 * 3_600_000 // while the issuer cannot be reached
const ASK_AGAIN_MS = 30_000 // an unknown key id
const FIRST_PAUSE_MS = 1000 // after a failure; each further failure doubles it, up to ASK_AGAIN_MS
const MAX_TRIED = 16 // keys, for one token without a key id

type LocalKeys = (header: JWSHeaderParameters) => Promise<CryptoKey>

interface Known {
  all: LocalKeys
  /** Keys without a `kid`. */
  nameless: LocalKeys
  jose: typeof import('jose')
}

export interface KeySetInit {
  /** The current address of the keys. @throws ProviderUnreachable */
  locate: () => Promise<string>
  fetch: ProviderFetch
  clock: () => number
  log: Logger
  /** How long they are trusted while the issuer cannot be reached: a day by default, and at least ten minutes. */
  staleMs?: number
}

export class KeySet {
  readonly #init: KeySetInit
  #keys: Known | undefined
  #fetchedAt = Number.NEGATIVE_INFINITY
  #askedAt = Number.NEGATIVE_INFINITY
  #failure: ProviderUnreachable | undefined
  /** The present pause after a failure. */
  #pauseMs = 0
  #asking: Promise<void> | undefined

  constructor(init: KeySetInit) {
    this.#init = init
  }

  /**
   * The key of a token. `kid` is a hint (RFC 7515 4.1.4): if the token or the keys have none, it is the key that fits
   * the signature.
   * @throws ProviderUnreachable; JOSEError if there is none
   */
  async find(header: JWSHeaderParameters, token: FlattenedJWSInput): Promise<CryptoKey> {
    const now = this.#init.clock()
    if (now - this.#fetchedAt >= FRESH_MS) await this.#refresh(now)
    if (!this.#keys || now - this.#fetchedAt >= Math.max(FRESH_MS, this.#init.staleMs ?? STALE_MS)) {
      throw this.#failure ?? new ProviderUnreachable('the keys of the issuer are not known')
    }
    try {
      return await choose(this.#keys, header, token)
    } catch (error) {
      // The issuer may have changed its keys since. RFC 7517 leaves it to the reader when to fetch them again.
      if (!isUnknownKey(error) || now - this.#askedAt < ASK_AGAIN_MS) throw error
      await this.#refresh(now)
      return choose(this.#keys, header, token)
    }
  }

  /** Fetches again, unless that has just failed; all callers share one request. */
  async #refresh(now: number): Promise<void> {
    if (!this.#asking) {
      if (this.#failure && now - this.#askedAt < this.#pauseMs) return
      this.#askedAt = now
      this.#asking = this.#ask(now).finally(() => (this.#asking = undefined))
    }
    await this.#asking
  }

  async #ask(now: number): Promise<void> {
    try {
      const url = await this.#init.locate()
      const set = await fetchJson(this.#init.fetch, url)
      const jose = await import('jose') // not every relay needs it
      const keys = keysIn(set)
      const open = (some: unknown): LocalKeys => jose.createLocalJWKSet({ keys: some } as JSONWebKeySet) // jose itself checks its input
      const all = open(keys) // throws unless it is a list of objects
      this.#keys = { all, nameless: open((keys as object[]).filter((key) => !Object.hasOwn(key, 'kid'))), jose }
      this.#fetchedAt = now
      this.#failure = undefined
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause)
      this.#pauseMs = this.#failure ? Math.min(this.#pauseMs * 2, ASK_AGAIN_MS) : FIRST_PAUSE_MS
      this.#init.log.warn({ reason, retryInMs: this.#pauseMs }, 'the keys of an issuer cannot be fetched')
      this.#failure = new ProviderUnreachable(reason, { cause })
    }
  }
}

/**
 * The key that has signed a token. If a key is found by its id, it is not tried here, because the caller verifies the
 * token in any case.
 */
async function choose(known: Known, header: JWSHeaderParameters, token: FlattenedJWSInput): Promise<CryptoKey> {
  const { errors } = known.jose
  const { kid: _hint, ...withoutName } = header
  if (header.kid === undefined) return firstThatFits(known.all, withoutName, token, known)
  try {
    return await known.all(header)
  } catch (error) {
    if (error instanceof errors.JWKSMultipleMatchingKeys) return firstThatFits(known.all, header, token, known)
    if (!isUnknownKey(error)) throw error
    return firstThatFits(known.nameless, withoutName, token, known)
  }
}

/** If no key fits, it counts as an unknown key id, because the keys may have changed since. */
async function firstThatFits(
  find: LocalKeys,
  header: JWSHeaderParameters,
  token: FlattenedJWSInput,
  { jose: { errors, flattenedVerify } }: Known,
): Promise<CryptoKey> {
  let tried = 0
  for await (const key of candidates(find, header, errors.JWKSMultipleMatchingKeys)) {
    if (++tried > MAX_TRIED) break
    try {
      await flattenedVerify(token, key)
      return key
    } catch {
      // The token is signed with another key, or not valid. The caller verifies the whole token and reports the reason.
    }
  }
  throw new errors.JWKSNoMatchingKey()
}

async function* candidates(
  find: LocalKeys,
  header: JWSHeaderParameters,
  Several: Known['jose']['errors']['JWKSMultipleMatchingKeys'],
): AsyncGenerator<CryptoKey> {
  let several: AsyncIterable<CryptoKey> | undefined
  try {
    yield await find(header)
  } catch (error) {
    if (!(error instanceof Several)) throw error
    several = error
  }
  if (several) yield* several
}

/** Without null members: jose treats an `alg` of null as an algorithm that matches nothing. */
function keysIn(set: unknown): unknown {
  if (typeof set !== 'object' || set === null || !('keys' in set) || !Array.isArray(set.keys)) return undefined
  return (set.keys as unknown[]).map((key) =>
    typeof key === 'object' && key !== null ? withoutNulls(key as Record<string, unknown>) : key,
  )
}

/**
 * The address of an issuer's keys, by its discovery document (OpenID Connect Discovery 1.0, section 4). It needs only
 * the members that a validator uses, because issuers without sign-in have such a document, too.
 */
export async function discoverKeys(issuer: string, fetch: ProviderFetch, log: Logger): Promise<string> {
  const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
  const following = followingOnce(fetch, ({ from, to }) =>
    log.warn({ issuer, from, to }, 'a discovery document was found behind a redirect'),
  )
  const found = (await fetchJson(following, url)) as { issuer?: unknown; jwks_uri?: unknown } | null // checked below
  if (found?.issuer !== issuer) {
    const other = typeof found?.issuer === 'string' ? `calls itself ${inWords(found.issuer)}` : 'has no name'
    throw new ProviderUnreachable(`the issuer at ${url} ${other}, not ${issuer}`)
  }
  const keys = typeof found.jwks_uri === 'string' ? URL.parse(found.jwks_uri) : null
  // An issuer on the internet must not send the relay to an internal address.
  const isUsable = keys?.protocol === 'https:' || (keys?.protocol === 'http:' && issuer.startsWith('http:'))
  if (!keys || !isUsable || keys.username || keys.password) {
    throw new ProviderUnreachable(`the jwks_uri of ${issuer} is not an https URL`)
  }
  return keys.href
}

function isUnknownKey(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_JWKS_NO_MATCHING_KEY'
}

async function fetchJson(fetch: ProviderFetch, url: string): Promise<unknown> {
  const response = await fetch(url, { headers: { accept: 'application/json' } })
  if (response.status !== 200) throw new ProviderUnreachable(`GET ${url} was answered with HTTP ${response.status}`)
  try {
    return await response.json()
  } catch (cause) {
    throw new ProviderUnreachable(`GET ${url} was not answered with JSON`, { cause })
  }
}

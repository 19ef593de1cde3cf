// The public keys of one issuer of tokens, fetched when first needed and kept. Whoever sends tokens with made-up key
// ids causes two requests a minute at most, and an issuer that is down for a day stops nobody.

import type { CryptoKey, JSONWebKeySet, JWSHeaderParameters } from 'jose'

import type { Logger } from '../../log.ts'
import { ProviderUnreachable, type ProviderFetch } from './provider-fetch.ts'

const FRESH_MS = 10 * 60_000 // a key that the issuer withdraws is believed no longer than this
const STALE_MS = 24 * 3_600_000 // while the issuer cannot be reached
const ASK_AGAIN_MS = 30_000 // an unknown key id
const FIRST_PAUSE_MS = 1000 // a failure; twice as long after the next one, as long as for an unknown key at most

type LocalKeys = (header: JWSHeaderParameters) => Promise<CryptoKey>

export interface KeySetInit {
  /** Where the keys are at the moment. @throws ProviderUnreachable */
  locate: () => Promise<string>
  fetch: ProviderFetch
  clock: () => number
  log: Logger
  /** How long they are believed while the issuer cannot be reached: a day by default, and ten minutes at least. */
  staleMs?: number
}

export class KeySet {
  readonly #init: KeySetInit
  #keys: LocalKeys | undefined
  #fetchedAt = Number.NEGATIVE_INFINITY
  #askedAt = Number.NEGATIVE_INFINITY
  #failure: ProviderUnreachable | undefined
  /** After a failure. */
  #pauseMs = 0
  #asking: Promise<void> | undefined

  constructor(init: KeySetInit) {
    this.#init = init
  }

  /**
   * The key that a token names.
   * @throws ProviderUnreachable; JOSEError where there is none, or several
   */
  async find(header: JWSHeaderParameters): Promise<CryptoKey> {
    const now = this.#init.clock()
    if (now - this.#fetchedAt >= FRESH_MS) await this.#refresh(now)
    if (!this.#keys || now - this.#fetchedAt >= Math.max(FRESH_MS, this.#init.staleMs ?? STALE_MS)) {
      throw this.#failure ?? new ProviderUnreachable('the keys of the issuer are not known')
    }
    try {
      return await this.#keys(header)
    } catch (error) {
      // Keys may have been changed since: RFC 7517 leaves it to the reader when to look again.
      if (!isUnknownKey(error) || now - this.#askedAt < ASK_AGAIN_MS) throw error
      await this.#refresh(now)
      return this.#keys(header)
    }
  }

  /** Asks again, unless that has failed just now; all who wait share one request. */
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
      const { createLocalJWKSet } = await import('jose') // not every relay needs it
      this.#keys = createLocalJWKSet(set as JSONWebKeySet) // which looks for itself what it was given
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
 * Where an issuer has its keys, by its discovery document (OpenID Connect Discovery 1.0, section 4).
 * Only what a validator needs is asked of it: issuers that sign nobody in have one, too.
 */
export async function discoverKeys(issuer: string, fetch: ProviderFetch): Promise<string> {
  const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
  const found = (await fetchJson(fetch, url)) as { issuer?: unknown; jwks_uri?: unknown } | null // looked at below
  if (found?.issuer !== issuer) {
    const other = typeof found?.issuer === 'string' ? `calls itself ${found.issuer}` : 'has no name'
    throw new ProviderUnreachable(`the issuer at ${url} ${other}, not ${issuer}`)
  }
  const keys = typeof found.jwks_uri === 'string' ? URL.parse(found.jwks_uri) : null
  // What is inside our network is nothing that an issuer outside may send us to.
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

// One identity provider as it describes itself: its discovery document and its signing keys. Asked when first
// needed, kept for hours, asked again with growing pauses after a failure. Registrations at the same issuer share it.

import { createRemoteJWKSet, customFetch as joseFetch, type JWTVerifyGetKey } from 'jose'
import {
  ClientError,
  None,
  allowInsecureRequests,
  customFetch,
  discovery,
  type CustomFetch,
  type ServerMetadata,
} from 'openid-client'

import { RelayError } from '../../errors.ts'
import type { Logger } from '../../log.ts'
import { endpointProblems, isInsecureIssuer } from './endpoint-problems.ts'
import { isSameIssuer, issuerMismatch } from './issuer-mismatch.ts'
import { ProviderUnreachable, type ProviderFetch } from './provider-fetch.ts'

const FRESH_MS = 6 * 3_600_000 // endpoints move about never; keys have their own, shorter life
const FIRST_PAUSE_MS = 1000
const LONGEST_PAUSE_MS = 60_000
const KEYS_FRESH_MS = 10 * 60_000
const KEYS_COOLDOWN_MS = 30_000 // an unknown kid asks for the keys again, but not more often

export interface ProviderInit {
  issuerUrl: string
  fetch: ProviderFetch
  timeoutMs: number
  clock: () => number
  log: Logger
}

/** The metadata with the signing keys behind them. */
export interface ProviderDescription {
  metadata: Readonly<ServerMetadata>
  keys: JWTVerifyGetKey
}

export class Provider {
  readonly issuerUrl: string
  readonly fetch: ProviderFetch
  readonly timeoutMs: number
  /** How many sign-ins of edges share it. */
  registrations = 0
  readonly #clock: () => number
  readonly #log: Logger
  #known: { description: ProviderDescription; until: number } | undefined
  #failure: { error: RelayError; until: number; pauseMs: number } | undefined
  #asking: Promise<ProviderDescription> | undefined

  constructor(init: ProviderInit) {
    this.issuerUrl = init.issuerUrl
    this.fetch = init.fetch
    this.timeoutMs = init.timeoutMs
    this.#clock = init.clock
    this.#log = init.log
  }

  /** Whether plain http may be spoken: only to a provider on this machine. */
  get isInsecure(): boolean {
    return isInsecureIssuer(this.issuerUrl)
  }

  /**
   * What the provider says about itself. Parallel callers share one request.
   * Throws `provider_unreachable`, at once while the pause after a failure lasts.
   */
  async describe(): Promise<ProviderDescription> {
    const now = this.#clock()
    if (this.#known && now < this.#known.until) return this.#known.description
    if (this.#failure && now < this.#failure.until) {
      if (this.#known) return this.#known.description
      throw this.#failure.error
    }
    this.#asking ??= this.#ask().finally(() => (this.#asking = undefined))
    return this.#asking
  }

  async #ask(): Promise<ProviderDescription> {
    try {
      const description = await this.#discover()
      if (this.#failure) this.#log.info({ issuer: this.issuerUrl }, 'identity provider is back')
      this.#failure = undefined
      this.#known = { description, until: this.#clock() + FRESH_MS }
      return description
    } catch (cause) {
      const reason = this.#explain(cause)
      const pauseMs = Math.min(this.#failure ? this.#failure.pauseMs * 2 : FIRST_PAUSE_MS, LONGEST_PAUSE_MS)
      this.#log.warn({ issuer: this.issuerUrl, reason, retryInMs: pauseMs }, 'identity provider is unusable')
      const error = new RelayError('provider_unreachable', { detail: reason, cause })
      this.#failure = { error, until: this.#clock() + pauseMs, pauseMs }
      // What was known an old while ago is still the best guess.
      if (this.#known) return this.#known.description
      throw error
    }
  }

  async #discover(): Promise<ProviderDescription> {
    const configuration = await discovery(new URL(this.issuerUrl), 'sallyport', undefined, None(), {
      [customFetch]: this.fetch as CustomFetch, // its body is one of the kinds we send
      timeout: this.timeoutMs / 1000,
      ...(this.isInsecure && { execute: [allowInsecureRequests] }),
    })
    const metadata = configuration.serverMetadata()
    // openid-client makes exceptions here for two hosts of Microsoft; we make none.
    if (!isSameIssuer(this.issuerUrl, metadata.issuer)) throw new IssuerMismatch(metadata.issuer)
    const [problem] = endpointProblems(metadata, this.isInsecure)
    if (problem !== undefined) throw new ProviderUnreachable(problem)
    const keys = createRemoteJWKSet(new URL(metadata.jwks_uri!), {
      [joseFetch]: this.fetch,
      timeoutDuration: this.timeoutMs,
      cacheMaxAge: KEYS_FRESH_MS,
      cooldownDuration: KEYS_COOLDOWN_MS,
    })
    return { metadata, keys }
  }

  /** One sentence for the operator: what is wrong and, where we know it, what to write. */
  #explain(error: unknown): string {
    const other = issuerOf(error)
    if (other !== undefined) return issuerMismatch(this.issuerUrl, other)
    for (let cause = error; cause instanceof Error; cause = cause.cause) {
      if (cause instanceof ProviderUnreachable) return cause.message
    }
    if (error instanceof ClientError && error.cause instanceof Response) {
      const { status } = error.cause
      const hint = status === 404 ? '; is issuer_url right?' : ''
      return `the discovery document of ${this.issuerUrl} was answered with HTTP ${status}, ${error.message}${hint}`
    }
    return `the discovery document of ${this.issuerUrl} cannot be used: ${error instanceof Error ? error.message : String(error)}`
  }
}

class IssuerMismatch extends Error {
  readonly issuer: string

  constructor(issuer: string) {
    super('the issuer is another one')
    this.issuer = issuer
  }
}

/** The issuer that the provider named, where it is not the expected one. */
function issuerOf(error: unknown): string | undefined {
  if (error instanceof IssuerMismatch) return error.issuer
  // openid-client passes the issuer through new URL(), which tells what it was given.
  if (error instanceof TypeError && 'code' in error && error.code === 'ERR_INVALID_URL' && 'input' in error) {
    return String(error.input)
  }
  if (!(error instanceof ClientError)) return undefined
  const cause: unknown = error.cause
  if (typeof cause !== 'object' || cause === null || !('attribute' in cause) || cause.attribute !== 'issuer') {
    return undefined
  }
  const body: unknown = 'body' in cause ? cause.body : undefined
  return typeof body === 'object' && body !== null && 'issuer' in body ? String(body.issuer) : undefined
}

// One identity provider: its discovery document and its signing keys. They are fetched on first use and kept for hours.
// After a failure they are fetched again with growing pauses. Registrations at the same issuer share it.

import { RelayError } from '../../errors.ts'
import type { Logger } from '../../log.ts'
import { isInsecureIssuer } from './endpoint-problems.ts'
import type { ProviderFetch } from './provider-fetch.ts'
import type { AskedProvider, ProviderDescription } from './provider-description.ts'

const FRESH_MS = 6 * 3_600_000 // endpoints hardly ever change; keys have their own, shorter life
const FIRST_PAUSE_MS = 1000
const LONGEST_PAUSE_MS = 60_000

export interface ProviderInit {
  issuerUrl: string
  /** The key under which its owner finds it again. */
  key?: string
  fetch: ProviderFetch
  timeoutMs: number
  clock: () => number
  log: Logger
}

export class Provider implements AskedProvider {
  readonly issuerUrl: string
  readonly key: string
  readonly fetch: ProviderFetch
  readonly timeoutMs: number
  readonly clock: () => number
  readonly log: Logger
  #known: { description: ProviderDescription; until: number } | undefined
  #failure: { error: RelayError; until: number; pauseMs: number } | undefined
  #asking: Promise<ProviderDescription> | undefined

  constructor(init: ProviderInit) {
    this.issuerUrl = init.issuerUrl
    this.key = init.key ?? init.issuerUrl
    this.fetch = init.fetch
    this.timeoutMs = init.timeoutMs
    this.clock = init.clock
    this.log = init.log
  }

  /** Whether plain http is allowed: only to a provider on this machine. */
  get isInsecure(): boolean {
    return isInsecureIssuer(this.issuerUrl)
  }

  /**
   * The provider's description of itself. Parallel callers share one request.
   * Throws `provider_unreachable`, at once while the pause after a failure lasts.
   */
  async describe(): Promise<ProviderDescription> {
    const now = this.clock()
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
      const { discoverProvider } = await import('./discover-provider.ts') // loaded with the first sign-in
      const description = await discoverProvider(this)
      if (this.#failure) this.log.info({ issuer: this.issuerUrl }, 'identity provider is back')
      this.#failure = undefined
      this.#known = { description, until: this.clock() + FRESH_MS }
      return description
    } catch (cause) {
      const { explainFailure } = await import('./discover-provider.ts')
      const reason = explainFailure(this.issuerUrl, cause)
      const pauseMs = Math.min(this.#failure ? this.#failure.pauseMs * 2 : FIRST_PAUSE_MS, LONGEST_PAUSE_MS)
      this.log.warn({ issuer: this.issuerUrl, reason, retryInMs: pauseMs }, 'identity provider is unusable')
      const error = new RelayError('provider_unreachable', { detail: reason, cause })
      this.#failure = { error, until: this.clock() + pauseMs, pauseMs }
      // The old description is probably still right.
      if (this.#known) return this.#known.description
      throw error
    }
  }
}

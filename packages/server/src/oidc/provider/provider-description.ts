// What is known of an identity provider, and what is needed to ask it. Types only.

import type { ServerMetadata } from 'openid-client'

import type { Logger } from '../../log.ts'
import type { ProviderFetch } from './provider-fetch.ts'
import type { FindKey } from './signed-token.ts'

/** The metadata with the signing keys behind them. */
export interface ProviderDescription {
  metadata: Readonly<ServerMetadata>
  keys: FindKey
}

/** Whoever is asked what it says about itself. */
export interface AskedProvider {
  readonly issuerUrl: string
  readonly fetch: ProviderFetch
  readonly timeoutMs: number
  readonly clock: () => number
  readonly log: Logger
  /** Whether plain http may be spoken: only to a provider on this machine. */
  readonly isInsecure: boolean
}

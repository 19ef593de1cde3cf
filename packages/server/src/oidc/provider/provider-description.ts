// The description of an identity provider, and the parts needed to ask it. Types only.

import type { ServerMetadata } from 'openid-client'

import type { Logger } from '../../log.ts'
import type { ProviderFetch } from './provider-fetch.ts'
import type { FindKey } from './signed-token.ts'

/** The metadata and the signing keys. */
export interface ProviderDescription {
  metadata: Readonly<ServerMetadata>
  keys: FindKey
}

/** A provider that can be asked for its description. */
export interface AskedProvider {
  readonly issuerUrl: string
  readonly fetch: ProviderFetch
  readonly timeoutMs: number
  readonly clock: () => number
  readonly log: Logger
  /** Whether plain http is allowed: only to a provider on this machine. */
  readonly isInsecure: boolean
}

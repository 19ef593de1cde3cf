// The identity providers that edges sign in at. Each is there while a sign-in of an edge takes it: what one has learned of
// it serves the others, and an edge that is swapped.

import type { IssuerReach } from '../config/issuer-reach.ts'
import type { Logger } from '../log.ts'
import type { OpenidConnectConfig } from '../policy/openid-connect/openid-connect-schema.ts'
import type { ProviderAuthorities } from './provider/provider-authorities.ts'
import { providerFetch } from './provider/provider-fetch.ts'
import { Provider } from './provider/provider.ts'

export interface ProvidersInit {
  /** For one request. */
  timeoutMs: number
  /** Those that `provider_ca_file` names. */
  authorities: ProviderAuthorities | undefined
  clock: () => number
  log: Logger
}

interface Taken {
  readonly provider: Provider
  takers: number
}

export class Providers {
  readonly #init: ProvidersInit
  readonly #taken = new Map<string, Taken>()

  constructor(init: ProvidersInit) {
    this.#init = init
  }

  /**
   * The provider of a sign-in. Whoever takes one gives it back by release().
   * @param reach where it may be, if an agent has brought the sign-in
   */
  take({ issuer_url: issuerUrl, provider_ca_file: caFile }: OpenidConnectConfig, reach?: IssuerReach): Provider {
    const key = providerKey(issuerUrl, reach !== undefined, caFile)
    const known = this.#taken.get(key)
    if (known) {
      known.takers++
      return known.provider
    }
    const { timeoutMs, authorities, clock, log } = this.#init
    const fetch = providerFetch(timeoutMs, issuerUrl, reach, authorities?.of(caFile))
    const provider = new Provider({ issuerUrl, key, fetch, timeoutMs, clock, log })
    this.#taken.set(key, { provider, takers: 1 })
    return provider
  }

  /** Gives back what take() gave, once. */
  release({ key }: Provider): void {
    const known = this.#taken.get(key)
    if (known && --known.takers === 0) this.#taken.delete(key)
  }
}

/** What the operator lets the relay reach, an agent that names the same issuer may not. */
function providerKey(issuerUrl: string, isOfAgent: boolean, caFile: string | undefined): string {
  if (isOfAgent) return `agents ${issuerUrl}`
  return caFile === undefined ? issuerUrl : `${issuerUrl} by ${caFile}`
}

// The identity providers of all sign-ins. Sign-ins at the same issuer share one, with its metadata and keys. It stays until the
// last of them releases it, so an edge that is swapped keeps it.

import type { IssuerReach } from '../config/issuer-reach.ts'
import type { Logger } from '../log.ts'
import type { OpenidConnectConfig } from '../policy/openid-connect/openid-connect-schema.ts'
import type { ProviderAuthorities } from './provider/provider-authorities.ts'
import { providerFetch } from './provider/provider-fetch.ts'
import { Provider } from './provider/provider.ts'

export interface ProvidersInit {
  /** For one request. */
  timeoutMs: number
  /** The authorities of `provider_ca_file`. */
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
   * The provider of a sign-in. Each take() needs a release().
   * @param reach the places in which it may be, if an agent has brought the sign-in
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

  /** Undoes one take(). */
  release({ key }: Provider): void {
    const known = this.#taken.get(key)
    if (known && --known.takers === 0) this.#taken.delete(key)
  }
}

/** The operator's edges may reach addresses that an agent's edge with the same issuer may not. */
function providerKey(issuerUrl: string, isOfAgent: boolean, caFile: string | undefined): string {
  if (isOfAgent) return `agents ${issuerUrl}`
  return caFile === undefined ? issuerUrl : `${issuerUrl} by ${caFile}`
}

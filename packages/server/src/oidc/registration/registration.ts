// One sign-in of one edge: a client registered at a provider, as the openid-connect actions of that edge name it.
// The claims of its sessions depend on the other routes that take them, too.

import type { CryptoKey } from 'jose'
import type { Configuration } from 'openid-client'

import type { ClaimReading } from '../../values/claim-name.ts'
import type { OpenidConnectConfig } from '../../policy/openid-connect/openid-connect-schema.ts'
import { callbackPath } from '../../model/redirect-uri.ts'
import { readClientKey } from '../provider/client-key.ts'
import { cookieNames, type CookieNames } from './cookies.ts'
import type { Provider } from '../provider/provider.ts'
import type { ProviderDescription } from '../provider/provider-description.ts'
import { sessionScope } from '../../session/session-row.ts'
import { signInName, type SignInName } from '../../seal/sign-in-name.ts'

export interface ReadyProvider extends ProviderDescription {
  /** For openid-client: the metadata with our credentials. */
  configuration: Configuration
}

/** The claims that a session needs for the routes that take it. */
export interface ScopeNeeds {
  /** By `claimKey`. */
  readonly claims: ReadonlyMap<string, ClaimReading>
  /** Whether an email address decides, and whether it must be verified for that. */
  readonly email: boolean
  readonly verifiedEmail: boolean
  readonly accessToken: boolean
}

export class Registration {
  readonly edgeId: string
  readonly config: OpenidConnectConfig
  readonly provider: Provider
  /** Names the sessions that belong here. */
  readonly scope: string
  /** The name of the registration in a `state`. */
  readonly name: SignInName
  /** The redirect URI of its issuer, on the relay's own host. */
  readonly callbackPath: string
  readonly #needsOf: (registration: Registration) => ScopeNeeds
  readonly #secureCookies: CookieNames
  readonly #plainCookies: CookieNames
  readonly #clientKey: CryptoKey | undefined
  #ready: ReadyProvider | undefined

  /**
   * @param needsOf the claims that a session of its scope needs now
   * @throws Error if the client key cannot be used
   */
  constructor(
    edgeId: string,
    config: OpenidConnectConfig,
    provider: Provider,
    needsOf: (registration: Registration) => ScopeNeeds,
  ) {
    this.edgeId = edgeId
    this.config = config
    this.provider = provider
    this.#needsOf = needsOf
    this.scope = scopeOf(edgeId, config)
    this.name = signInName(edgeId, config.auth_id, config.issuer_url, config.client_id)
    this.callbackPath = callbackPath(config.issuer_url)
    if (config.client_key) this.#clientKey = readClientKey(config.client_key)
    this.#secureCookies = cookieNames(config.auth_id, true, config.auth_cookie_domain)
    this.#plainCookies = cookieNames(config.auth_id, false, config.auth_cookie_domain)
  }

  /** The claims that a session needs for the routes that take it. */
  get needs(): ScopeNeeds {
    return this.#needsOf(this)
  }

  /** Claims that decide on routes which share its sessions, by `claimKey`. */
  get decidingClaims(): ReadonlyMap<string, ClaimReading> {
    return this.needs.claims
  }

  /** @param origin of the edge; on https, the names of cookies have the prefix that browsers protect */
  cookies(origin: string): CookieNames {
    return origin.startsWith('https:') ? this.#secureCookies : this.#plainCookies
  }

  /** Throws `provider_unreachable`. */
  async ready(): Promise<ReadyProvider> {
    const description = await this.provider.describe()
    if (this.#ready?.metadata === description.metadata) return this.#ready
    const { clientConfiguration } = await import('../provider/client-configuration.ts') // loaded with the first sign-in
    const configuration = clientConfiguration(this.config, description.metadata, this.#clientKey, this.provider)
    this.#ready = { ...description, configuration }
    return this.#ready
  }
}

/** Names the sessions that a sign-in of an edge makes and accepts. */
export function scopeOf(edgeId: string, config: OpenidConnectConfig): string {
  return sessionScope({
    edge: edgeId,
    auth_id: config.auth_id,
    issuer: config.issuer_url,
    client_id: config.client_id,
    cookie_domain: config.auth_cookie_domain,
  })
}

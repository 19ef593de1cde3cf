// Sign-in over all workers, for edges of this relay.

import type { Config } from '../config/config.ts'
import type { EdgeTable } from '../edge/edge-table.ts'
import type { OnFault } from '../exchange/border.ts'
import type { IdentityTokens } from '../identity/identity-tokens.ts'
import type { Keys } from '../keys.ts'
import type { Logger } from '../log.ts'
import type { ProviderAuthorities } from '../oidc/provider/provider-authorities.ts'
import { SignIn } from '../oidc/sign-in.ts'
import type { Store } from '../store/store.ts'
import type { CountAttempts } from './count-attempts.ts'

export interface OpenSignInInit {
  readonly config: Config
  readonly store: Store
  readonly keys: Keys
  readonly identityTokens: IdentityTokens
  /** The authorities of `provider_ca_file`. */
  readonly authorities: ProviderAuthorities
  readonly edges: EdgeTable
  readonly countAttempts: CountAttempts
  readonly log: Logger
  readonly onFault: OnFault
}

/** Loads the sessions. @throws StoreUnavailable */
export function openSignIn({ config, edges, countAttempts, ...init }: OpenSignInInit): Promise<SignIn> {
  return SignIn.open({
    ...init,
    originOf: (edgeId, host) => {
      const edge = edges.find(host)
      return edge?.id === edgeId ? edge.originOf(host) : undefined
    },
    publicUrl: config.public_url,
    providerTimeoutMs: config.timeouts.provider_seconds * 1000,
    countAttempts: (of) => countAttempts(of, config.limits.callbacks_per_minute),
  })
}

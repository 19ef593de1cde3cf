// The edges that agents bring. They stand behind those of the configuration, which win.

import type { Config } from '../config/config.ts'
import { cookieDomainsOf } from '../model/cookie-domains.ts'
import type { IssuerReach } from '../config/issuer-reach.ts'
import type { EdgeTable } from '../edge/edge-table.ts'
import { Endpoints } from '../edge/endpoints.ts'
import { originOn } from '../edge/origin-on.ts'
import type { OnFault } from '../exchange/border.ts'
import type { LimitRefusals } from '../exchange/limit-refusals.ts'
import type { Keys } from '../keys.ts'
import type { Logger } from '../log.ts'
import { EndpointChecks } from '../oidc/check/endpoint-check.ts'
import type { SignIn } from '../oidc/sign-in.ts'
import type { Look } from '../pages/look.ts'
import { buildPolicy } from '../policy/build-policy.ts'
import type { Store } from '../store/store.ts'
import type { Authtokens } from '../tunnel/authtokens.ts'
import type { Registry } from '../tunnel/registry.ts'
import { Reservations } from '../tunnel/reservations.ts'
import type { PartsOf } from './policy-parts.ts'

export interface EndpointsRoom {
  readonly config: Config
  readonly store: Store
  readonly keys: Keys
  readonly edges: EdgeTable
  readonly registry: Registry
  readonly authtokens: Authtokens
  readonly signIn: SignIn
  /** Where the providers may be that agents name. */
  readonly issuers: IssuerReach
  readonly partsOf: PartsOf
  readonly refusals: LimitRefusals
  readonly look: Look
  readonly log: Logger
  readonly onFault: OnFault
}

export async function openEndpoints(room: EndpointsRoom): Promise<Endpoints> {
  const { config, store, keys, edges, registry, authtokens, signIn, issuers, partsOf, refusals, look, log, onFault } =
    room
  const { public_url: publicUrl, domain, require_sign_in, identity_jwt, limits } = config
  const checks = new EndpointChecks({ publicOrigin: publicUrl.origin, issuers, log })
  return new Endpoints({
    edges,
    registry,
    reservations: await Reservations.open(store),
    publicUrl,
    domain,
    originOf: (host) => originOn(publicUrl, host),
    requireSignIn: require_sign_in,
    cookieDomains: cookieDomainsOf(config.edges),
    issuers,
    identityJwt: identity_jwt,
    maxPerAuthtoken: limits.endpoints_per_authtoken,
    refusals,
    hostKey: keys.deriveKey('endpoint host'),
    policyOf: (policy, edgeId, authtokenId) => buildPolicy(policy, partsOf(edgeId, authtokenId)),
    checkSignIn: (signInConfig, authtokenId) => checks.check(signInConfig, authtokenId),
    forgetSignIns: (edgeId) => signIn.forget(edgeId),
    isValid: (id) => authtokens.list().some((one) => one.id === id && one.revoked_at === undefined),
    look,
    log,
    onFault,
  })
}

// The edges that agents bring. They get the hosts that the configuration's edges leave free.

import type { Config } from '../config/config.ts'
import type { IssuerReach } from '../config/issuer-reach.ts'
import { supplyOfAgent } from '../config/supply-of.ts'
import type { PolicySources } from '../policy/sources/policy-sources.ts'
import { AgentEdges } from '../edge/agents/agent-edges.ts'
import { buildEdge } from '../edge/build-edge.ts'
import type { EdgeParts } from '../edge/build-edge.ts'
import type { EdgeBook } from '../edge/edge-book.ts'
import { originOn } from '../edge/origin-on.ts'
import type { OnFault } from '../exchange/border.ts'
import type { LimitRefusals } from '../exchange/limit-refusals.ts'
import type { Keys } from '../keys.ts'
import { EndpointChecks } from '../oidc/check/endpoint-check.ts'
import type { Store } from '../store/store.ts'
import type { Authtokens } from '../tunnel/authtokens.ts'
import { Reservations } from '../tunnel/reservations.ts'

export interface OpenAgentEdgesInit {
  readonly config: Config
  readonly store: Store
  readonly keys: Keys
  readonly book: EdgeBook
  /** The parts of which they are built. */
  readonly edgeRoom: EdgeParts
  /** The domains under which edges of the configuration share sessions. */
  cookieDomains(): ReadonlySet<string>
  /** What policies may read. */
  readonly sources: PolicySources
  readonly authtokens: Authtokens
  /** The places where providers that agents name may be. */
  readonly issuers: IssuerReach
  readonly refusals: LimitRefusals
  readonly onFault: OnFault
}

export async function openAgentEdges(init: OpenAgentEdgesInit): Promise<AgentEdges> {
  const { config, store, keys, book, edgeRoom, authtokens, issuers, refusals, onFault } = init
  const { public_url: publicUrl, domain, require_sign_in, identity_jwt, limits } = config
  const { registry, log } = edgeRoom
  const checks = new EndpointChecks({ publicOrigin: publicUrl.origin, issuers, log })
  return new AgentEdges({
    book,
    build: (edge, brought) => buildEdge(edge, edgeRoom, brought),
    registry,
    reservations: await Reservations.open(store),
    publicUrl,
    domain,
    originOf: (host) => originOn(publicUrl, host),
    requireSignIn: require_sign_in,
    cookieDomains: () => init.cookieDomains(),
    issuers,
    identityJwt: identity_jwt,
    endsTls: config.listen.https !== undefined,
    supplyWith: (secrets) => supplyOfAgent(init.sources.keys, secrets),
    maxPerAuthtoken: limits.endpoints_per_authtoken,
    refusals,
    hostKey: keys.deriveKey('endpoint host'),
    checkSignIn: (signInConfig, authtokenId) => checks.check(signInConfig, authtokenId),
    isValid: (id) => authtokens.list().some((one) => one.id === id && one.revoked_at === undefined),
    log,
    onFault,
  })
}

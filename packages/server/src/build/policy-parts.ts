// The parts that the actions of an edge use.

import type { Config } from '../config/config.ts'
import type { IssuerReach } from '../config/issuer-reach.ts'
import type { PartsOf } from '../edge/build-edge.ts'
import type { InternalEndpoints } from '../edge/internal-endpoints.ts'
import { BodyRoom } from '../exchange/body/body-room.ts'
import type { IdentityTokens } from '../identity/identity-tokens.ts'
import type { Logger } from '../log.ts'
import type { ProviderAuthorities } from '../oidc/provider/provider-authorities.ts'
import { providerFetch } from '../oidc/provider/provider-fetch.ts'
import type { EdgeSignIns } from '../oidc/edge-sign-ins.ts'
import type { SignIn } from '../oidc/sign-in.ts'
import { PasswordQueue } from '../policy/basic-auth/password-queue.ts'
import { PasswordTries } from '../policy/basic-auth/password-tries.ts'
import { Lasting } from '../policy/lasting.ts'
import { PassCounts } from '../policy/jwt-validation/passes.ts'
import { Leniency } from '../policy/leniency.ts'
import { CounterRooms } from '../policy/rate-limit/counter-rooms.ts'
import type { CountSharing } from '../policy/rate-limit/shared-counts.ts'
import type { PolicySources } from '../policy/sources/policy-sources.ts'
import type { ServiceTokens } from '../policy/service-token/service-tokens.ts'
import type { CountAttempts } from './count-attempts.ts'

export interface PolicyPartsInit {
  readonly config: Config
  readonly signIn: SignIn
  readonly identityTokens: IdentityTokens
  readonly serviceTokens: ServiceTokens
  readonly authorities: ProviderAuthorities
  /** The places where providers that agents name may be. */
  readonly issuers: IssuerReach
  readonly countAttempts: CountAttempts
  /** With the other workers; undefined if the relay is one process. */
  readonly countSharing: CountSharing | undefined
  readonly sources: PolicySources
  /** The internal endpoints, for policies that forward to them. */
  readonly internal: InternalEndpoints
  readonly log: Logger
}

export function policyParts(init: PolicyPartsInit): PartsOf {
  const { signIn, identityTokens, serviceTokens, authorities, issuers, sources, internal, log } = init
  const { identity_jwt, limits, timeouts } = init.config
  const clock = Date.now
  const perUser = limits.failed_passwords_per_user_per_minute
  const passwordTries = new PasswordTries({
    byNetwork: init.countAttempts('failed passwords', limits.failed_passwords_per_minute),
    byUser: init.countAttempts('failed passwords of a user', perUser),
    byNobody: init.countAttempts('failed passwords of nobody', perUser),
  })
  const passwordQueue = new PasswordQueue(clock)
  const bodies = new BodyRoom({
    maxBytes: limits.held_body_bytes,
    silenceMs: timeouts.request_stall_seconds * 1000,
  })
  const counterRooms = new CounterRooms(clock, init.countSharing)
  const lastings = new Lasting(clock)
  const leniency = new Leniency(log, clock)
  const passCounts = new PassCounts()
  return (edgeId, bringer) => {
    const authtokenId = bringer?.authtokenId
    const reach = authtokenId === undefined ? undefined : issuers
    let signIns: EdgeSignIns | undefined // most edges of agents have none
    const ends: (() => void)[] = []
    return {
      edgeId,
      clock,
      identify: identityTokens.identifier(edgeId, identity_jwt),
      fetchFrom: (home, caFile) => providerFetch(timeouts.provider_seconds * 1000, home, reach, authorities.of(caFile)),
      passCounts,
      log,
      onClose: (end) => void ends.push(end),
      tenant: authtokenId ?? edgeId,
      passwordTries,
      passwordQueue,
      bodies,
      counterRooms,
      lasting: lastings.ofEdge(edgeId, (release) => void ends.push(release)),
      leniency,
      internal: {
        forward: (exchange, host) => internal.forward(exchange, host, authtokenId),
        ask: (exchange, call) => internal.ask(exchange, call, authtokenId),
      },
      serviceTokens,
      sources: bringer ? sources.ofAgent(bringer.secrets) : sources.ofOperator,
      signIns: { action: (...given) => (signIns ??= signIn.signInsFor(edgeId, reach)).action(...given) },
      gates: () => signIns?.gates ?? [],
      life: {
        open: () => signIns?.publish(),
        close: () => {
          for (const end of ends.splice(0)) end()
          signIns?.close()
        },
      },
    }
  }
}

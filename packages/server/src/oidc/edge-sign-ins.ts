// The sign-ins of one edge. They are built with its routes. Pages, callbacks and sessions know them after publish(),
// which replaces the earlier sign-ins of the edge.
//
//   made ──publish()──▶ published ──close(), or another one's publish()──▶ gone

import type { IssuerReach } from '../config/issuer-reach.ts'
import { ConfigError } from '../errors.ts'
import type { Action } from '../exchange/action.ts'
import type { OpenidConnectConfig } from '../policy/openid-connect/openid-connect-schema.ts'
import { requireAnySession, type SignInWay } from './gate/require-any-session.ts'
import { requireSession } from './gate/require-session.ts'
import type { SessionTelling } from './gate/session-telling.ts'
import type { SessionGate } from '../session/live-session.ts'
import type { SignInParts } from './sign-in/parts.ts'
import type { Provider } from './provider/provider.ts'
import type { Providers } from './providers.ts'
import { Registration } from './registration/registration.ts'
import type { Registrations } from './registrations.ts'

export interface EdgeSignInsInit {
  readonly edgeId: string
  /** The places in which providers may be, if an agent has brought the edge. */
  readonly reach: IssuerReach | undefined
  readonly parts: SignInParts
  readonly registrations: Registrations
  readonly providers: Providers
}

export class EdgeSignIns {
  readonly #init: EdgeSignInsInit
  /** As routes name them. */
  readonly #made: Registration[] = []
  readonly #taken: Provider[] = []
  /** The sign-ins of each action, in the order in which the actions were made. */
  readonly gates: (readonly SessionGate[])[] = []

  constructor(init: EdgeSignInsInit) {
    this.#init = init
  }

  /**
   * Makes the policy step of a route; before publish().
   * @param telling undefined if no expression reads a result of the sign-in
   * @throws ConfigError if the client key cannot be used
   */
  action(config: OpenidConnectConfig, telling?: SessionTelling): Action {
    const ways = [config, ...(config.alternatives ?? [])].map((one) => this.#way(one, telling))
    this.gates.push(ways.map(({ action }) => action.gate))
    return ways.length === 1 ? ways[0]!.action : requireAnySession(ways)
  }

  publish(): void {
    const { edgeId, registrations } = this.#init
    registrations.publish(edgeId, this.#made)
  }

  /** Does not end sessions, because the edge may come back, or its successor may have the same sign-in. */
  close(): void {
    const { edgeId, registrations, providers } = this.#init
    registrations.withdraw(edgeId, this.#made)
    for (const provider of this.#taken.splice(0)) providers.release(provider)
  }

  #way(config: OpenidConnectConfig, telling: SessionTelling | undefined): SignInWay {
    if (config.id_token_alg === 'HS256' && !config.client_secret) {
      throw new Error('id_token_alg: HS256 needs a client_secret, which is the key')
    }
    const { edgeId, reach, parts, registrations, providers } = this.#init
    const provider = providers.take(config, reach)
    this.#taken.push(provider)
    const registration = register(edgeId, config, provider, (each) => registrations.needsOf(each))
    this.#made.push(registration)
    return { registration, action: requireSession(config, registration, parts, telling) }
  }
}

function register(...[edgeId, ...more]: ConstructorParameters<typeof Registration>): Registration {
  try {
    return new Registration(edgeId, ...more)
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause)
    throw new ConfigError([{ path: `client_key of openid-connect in ${edgeId}`, message }], { cause })
  }
}

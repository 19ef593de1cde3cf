// How a tunnel session asks for an endpoint of its own, as it sees whoever keeps the edges of agents (edge/agents/). Types
// only.

import type { BindProblem, ProtocolError } from '@sallyport/protocol'

import type { Authtoken } from './authtokens.ts'
import type { EndpointOffer } from './offer.ts'
import type { Lane, LaneCarrier, OnHealth } from './tunnel.ts'

/** A session that binds. */
export interface Claimant extends LaneCarrier {
  readonly authtoken: Authtoken
}

export interface EndpointRefused {
  ok: false
  error: ProtocolError
  /** What is wrong with the policy. */
  problems?: readonly BindProblem[]
}

export interface EndpointOpened {
  ok: true
  lane: Lane
  /** False where it is a further connection of the same agent. */
  isNew: boolean
  edgeId: string
  /** Who may visit, for people. */
  visitors: readonly string[]
  /** As visitors see it. */
  url: string
  /** What to register at the identity provider, where visitors sign in. */
  redirectUri: string | undefined
  /** Finds out whether visitors will be able to sign in, for the one who looks at the agent. Takes as long as the provider does. */
  checkSignIn: (() => Promise<EndpointNotice | undefined>) | undefined
}

export interface EndpointNotice {
  level: 'info' | 'warn'
  text: string
}

export interface BindWishes {
  /** Whether the agent still wants it, asked right before it would come online: reserving a host takes a while. */
  isWanted: () => boolean
  /** As of `Registry.join`. */
  onHealth: OnHealth
}

export interface EndpointBinder {
  /**
   * Reserves the host, and brings the endpoint and its tunnel online. The claimant hears of it a moment later, and retires
   * the lane if it has no use for it by then. Never rejects.
   * @returns undefined if it was not wanted any more
   */
  bind(
    offer: EndpointOffer,
    claimant: Claimant,
    wishes: BindWishes,
  ): Promise<EndpointOpened | EndpointRefused | undefined>
  /**
   * Makes an endpoint that was opened at another node one of this node, too. Never throws.
   * @param offer as the registry of that node knows it
   * @returns the lane that leads there; undefined where another agent has the endpoint here
   */
  adopt(offer: EndpointOffer, session: LaneCarrier, onHealth: OnHealth): Lane | undefined
}

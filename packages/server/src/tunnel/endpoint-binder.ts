// The interface by which a tunnel session asks for an endpoint; edge/agents/ implements it. Types only.

import type { BindProblem, PolicyChange, ProtocolError } from '@sallyport/protocol'

import type { Authtoken } from './authtokens.ts'
import type { EndpointState } from './endpoint-state.ts'
import type { EndpointOffer } from './offer.ts'
import type { Lane, LaneCarrier, OnHealth } from './tunnel.ts'

/** A session that binds. */
export interface Claimant extends LaneCarrier {
  readonly authtoken: Authtoken
}

export interface EndpointRefused {
  ok: false
  error: ProtocolError
  /** The problems of the policy. */
  problems?: readonly BindProblem[]
}

export interface EndpointOpened {
  ok: true
  lane: Lane
  /** False if it is a further connection of the same agent. */
  isNew: boolean
  state: EndpointState
  /**
   * Remarks for the person at the agent: parts of the policy that have an older form, or may not do what the author
   * expects.
   */
  remarks: readonly BindProblem[]
  /** Finds out whether visitors will be able to sign in, for the person at the agent. Takes as long as the provider. */
  checkSignIn: (() => Promise<EndpointNotice | undefined>) | undefined
}

/** The relay has heard of a change. */
export type EndpointHeard = Pick<EndpointOpened, 'ok' | 'state' | 'remarks' | 'checkSignIn'>

export interface EndpointNotice {
  level: 'info' | 'warn'
  text: string
}

export interface BindWishes {
  /** Whether the agent still wants it, asked directly before it would come online: reserving a host takes a while. */
  isWanted: () => boolean
  /** As of `Registry.join`. */
  onHealth: OnHealth
}

export interface EndpointBinder {
  /**
   * Reserves the host, and brings the endpoint and its tunnel online. The claimant learns of it a moment later, and
   * retires the lane if it does not need it any more. Never rejects.
   * @returns undefined if it was not wanted any more
   */
  bind(
    offer: EndpointOffer,
    claimant: Claimant,
    wishes: BindWishes,
  ): Promise<EndpointOpened | EndpointRefused | undefined>
  /**
   * The agent of an endpoint asks for another policy. It gets this policy in one turn, when all of its agents have asked
   * for it; requests under way are not affected. Never rejects.
   */
  change(lane: Lane, change: PolicyChange): Promise<EndpointHeard | EndpointRefused>
  /** The same, from another node. Never throws. */
  hear(lane: Lane, offer: EndpointOffer): void
  /**
   * Opens an endpoint of another node at this node, too. Never throws.
   * @param offer as the registry of that node knows it
   * @returns the lane that leads there; undefined if another agent has the endpoint here
   */
  adopt(offer: EndpointOffer, session: LaneCarrier, onHealth: OnHealth): Lane | undefined
}

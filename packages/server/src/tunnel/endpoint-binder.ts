// How a tunnel session asks for an endpoint of its own, as it sees whoever keeps the endpoints (edge/endpoints.ts). Types only.

import type { Bind, BindProblem, ProtocolError } from '@sallyport/protocol'

import type { Authtoken } from './authtokens.ts'
import type { Lane, LaneCarrier, OnHealth } from './tunnel.ts'

/** A `bind` that names no labels but a URL. */
export type UrlBind = Bind & { url: string }

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

/** The host is reserved and the policy is good: nothing stands in the way but what happens until open(). */
export interface EndpointClaim {
  ok: true
  /**
   * Brings the endpoint and its tunnel online, in one turn of the event loop.
   * @param onHealth as of `Registry.join`
   */
  open(onHealth: OnHealth): EndpointOpened | EndpointRefused
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

export interface EndpointBinder {
  /** Never rejects. */
  claim(bind: UrlBind, claimant: Claimant): Promise<EndpointClaim | EndpointRefused>
  /**
   * Makes an endpoint that was opened at another node one of this node, too. Never throws.
   * @param bind as the registry of that node knows it
   * @returns the lane that leads there; undefined where another agent has the endpoint here
   */
  adopt(bind: UrlBind, session: LaneCarrier, onHealth: OnHealth): Lane | undefined
}

// One host that agents serve, or are expected to: its edge, and how long it stays without an agent.
//
//   online ──last tunnel gone──▶ waiting ──LINGER_MS──▶ given up
//      ▲─────────resume()───────────┘

import type { EndpointPolicy } from './endpoint-policy.ts'
import type { Edge } from '../edge.ts'
import type { EndpointOffer } from '../../tunnel/offer.ts'
import type { LaneCarrier, Tunnel } from '../../tunnel/tunnel.ts'

const LINGER_MS = 120_000 // an agent that has lost its relay tries again within 30 s

/** An offer whose every word has been checked. */
export interface Wanted extends EndpointPolicy {
  /** With the labels of its host. */
  offer: EndpointOffer
  session: LaneCarrier
  host: string
}

export interface AgentEdgeInit {
  host: string
  authtokenId: string
  /** It leads to one group of tunnels. */
  edge: Edge
  /** Of the policy; undefined while only the reservation is known. */
  digest: string | undefined
  /** Gives the host up. */
  onGivenUp: (edge: AgentEdge) => void
  /** What a test shortens. */
  lingerMs?: number | undefined
}

export class AgentEdge {
  readonly host: string
  readonly authtokenId: string
  readonly edge: Edge
  readonly digest: string | undefined
  /** Whether the agents that serve it let others join. */
  pooling = false
  readonly #onGivenUp: (edge: AgentEdge) => void
  readonly #lingerMs: number
  #waiting: NodeJS.Timeout | undefined

  constructor({ host, authtokenId, edge, digest, onGivenUp, lingerMs = LINGER_MS }: AgentEdgeInit) {
    this.host = host
    this.authtokenId = authtokenId
    this.edge = edge
    this.digest = digest
    this.#onGivenUp = onGivenUp
    this.#lingerMs = lingerMs
  }

  get tunnels(): readonly Tunnel[] {
    return this.edge.groups[0]?.selection.tunnels ?? []
  }

  get isOnline(): boolean {
    return this.tunnels.length > 0
  }

  /** Whether an agent with this offer would find the same edge. */
  fits({ session, digest }: Wanted): boolean {
    return this.authtokenId === session.authtokenId && this.digest === digest
  }

  /** Gives the host up, unless an agent comes meanwhile. */
  wait(): void {
    clearTimeout(this.#waiting)
    this.#waiting = setTimeout(() => this.#onGivenUp(this), this.#lingerMs).unref()
  }

  /** An agent is here, or nobody waits any more. */
  resume(): void {
    clearTimeout(this.#waiting)
    this.#waiting = undefined
  }
}

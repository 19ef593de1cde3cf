// The edge of a host that agents serve or will serve again. After its last agent has left, it waits for a while.
//
//   online ──last tunnel gone──▶ waiting ──LINGER_MS──▶ given up
//      ▲─────────resume()───────────┘

import type { EndpointPolicy } from './endpoint-policy.ts'
import type { Edge } from '../edge.ts'
import type { EndpointOffer } from '../../tunnel/offer.ts'
import type { LaneCarrier, Tunnel } from '../../tunnel/tunnel.ts'

const LINGER_MS = 120_000 // an agent that has lost its connection tries again within 30 s

/** An offer after all checks. */
export interface Wanted extends EndpointPolicy {
  /** The offer with the labels of its host. */
  offer: EndpointOffer
  session: LaneCarrier
  host: string
}

export interface AgentEdgeInit {
  host: string
  authtokenId: string
  /** The one group of tunnels to which it leads. */
  edge: Edge
  /** The digest of the policy; undefined while the relay knows only the reservation. */
  digest: string | undefined
  /** Called when the wait is over. */
  onGivenUp: (edge: AgentEdge) => void
  /** Shorter in tests. */
  lingerMs?: number | undefined
}

export class AgentEdge {
  readonly host: string
  readonly authtokenId: string
  readonly edge: Edge
  readonly digest: string | undefined
  /** Whether other agents may join those that serve it. */
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

  /** Whether an agent with this offer would get the same edge. */
  fits({ session, digest }: Wanted): boolean {
    return this.authtokenId === session.authtokenId && this.digest === digest
  }

  /** Gives the host up after a while, unless resume() is called before. */
  wait(): void {
    clearTimeout(this.#waiting)
    this.#waiting = setTimeout(() => this.#onGivenUp(this), this.#lingerMs).unref()
  }

  /** Stops waiting. */
  resume(): void {
    clearTimeout(this.#waiting)
    this.#waiting = undefined
  }
}

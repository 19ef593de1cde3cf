// The edge of a host that agents serve or will serve again. After its last agent has left, it waits for a while.
//
//   online ──last tunnel gone──▶ waiting ──LINGER_MS──▶ given up
//      ▲─────────resume()───────────┘

import type { EndpointPolicy } from './endpoint-policy.ts'
import { Statements } from './statements.ts'
import type { Edge } from '../edge.ts'
import type { EndpointOffer } from '../../tunnel/offer.ts'
import { lastingIdOf } from '../../tunnel/tunnel.ts'
import type { LaneCarrier, Tunnel } from '../../tunnel/tunnel.ts'

const LINGER_MS = 120_000 // an agent that has lost its connection tries again within 30 s

/** An offer after all checks. */
export interface Wanted extends EndpointPolicy {
  /** The offer with the labels of its host. */
  offer: EndpointOffer
  session: LaneCarrier
  host: string
  /** The policy that the host has at another node, while this one waits for other agents. */
  meanwhile?: EndpointPolicy
}

export interface AgentEdgeInit {
  host: string
  authtokenId: string
  /** The one group of tunnels to which it leads. */
  edge: Edge
  /** The source of its policy; undefined while the relay knows only the reservation. */
  policy: EndpointPolicy | undefined
  /** The statements of the edge that it replaces, if both have the same owner. */
  statements?: Statements | undefined
  /** Called when the wait ends. */
  onGivenUp: (edge: AgentEdge) => void
  /** Shorter in tests. */
  lingerMs?: number | undefined
}

export class AgentEdge {
  readonly host: string
  readonly authtokenId: string
  readonly edge: Edge
  readonly policy: EndpointPolicy | undefined
  readonly statements: Statements
  /** Whether other agents may join those that serve it. */
  pooling = false
  readonly #onGivenUp: (edge: AgentEdge) => void
  readonly #lingerMs: number
  #waiting: NodeJS.Timeout | undefined

  constructor({ host, authtokenId, edge, policy, statements, onGivenUp, lingerMs = LINGER_MS }: AgentEdgeInit) {
    this.host = host
    this.authtokenId = authtokenId
    this.edge = edge
    this.policy = policy
    this.statements = statements ?? new Statements()
    this.#onGivenUp = onGivenUp
    this.#lingerMs = lingerMs
  }

  get tunnels(): readonly Tunnel[] {
    return this.edge.groups[0]?.selection.tunnels ?? []
  }

  get isOnline(): boolean {
    return this.tunnels.length > 0
  }

  get digest(): string | undefined {
    return this.policy?.digest
  }

  /** Whether an agent with this offer would get the same edge. */
  fits({ session, digest, meanwhile }: Wanted): boolean {
    return this.authtokenId === session.authtokenId && this.digest === (meanwhile?.digest ?? digest)
  }

  /** Whether this agent has asked for another policy, before or now: its highest revision counts. */
  hasChanged({ offer, session, digest }: Wanted): boolean {
    const said = this.statements.of(lastingIdOf(offer.number, session))
    return said !== undefined && (said.digest === digest || said.offer.endpoint.revision !== offer.endpoint.revision)
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

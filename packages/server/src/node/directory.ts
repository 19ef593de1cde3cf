// Which node holds which tunnel. A node is a relay process; each holds the tunnels of the agents that are connected to it
// and tells the others, so that a request can reach a tunnel that ends elsewhere. Types only: directory-table.ts keeps it
// in one process, workers/ between processes.

import type { Offer } from '../tunnel/offer.ts'

/** One tunnel on one connection of an agent. */
export interface LaneKey {
  sessionId: string
  /** As the agent numbered the tunnel. */
  number: number
}

/** What the agent's own check says of its app. */
export interface HealthReport {
  healthy: boolean
  detail: string
}

/** Everything that another node must know to send streams there. */
export interface Listing extends LaneKey {
  authtokenId: string
  instanceId: string
  /** As the registry of that node knows it; the authtoken was checked where the agent is connected. */
  offer: Offer
  report?: HealthReport
}

/** What a node tells. Withdrawing or reporting what is not listed changes nothing. */
export type DirectoryChange =
  | { type: 'listed'; listing: Listing }
  | ({ type: 'withdrawn' } & LaneKey)
  | ({ type: 'reported'; report: HealthReport } & LaneKey)

/** What a node hears of another one. Whoever has left has nothing listed any more. */
export type DirectoryEvent = { nodeId: string } & (
  | DirectoryChange
  | { type: 'joined'; link: string }
  | { type: 'left' }
)

export interface Directory {
  /** Every node that should hold a session of each agent, this one included. */
  readonly nodeIds: readonly string[]
  /**
   * From now on the others can reach this node.
   * @param link where it takes links: the path of a socket
   * @param listener hears of the others, first of everything that is there already; never of this node
   */
  join(link: string, listener: (event: DirectoryEvent) => void): void
  /** Only between join() and leave(). */
  tell(change: DirectoryChange): void
  leave(): void
}

// Which node holds which tunnel. A node is a relay process; each holds the tunnels of its connected agents and tells
// the other nodes, so that a request can reach a tunnel at another node. Types only: directory-table.ts keeps it in one
// process, workers/ between processes.

import type { Offer } from '../tunnel/offer.ts'

/** One tunnel on one connection of an agent. */
export interface LaneKey {
  sessionId: string
  /** As the agent numbered the tunnel. */
  number: number
}

/** The result of the agent's own check of its app. */
export interface HealthReport {
  healthy: boolean
  detail: string
}

/** Everything that another node needs to send streams there. */
export interface Listing extends LaneKey {
  authtokenId: string
  instanceId: string
  /** As the registry of that node knows it; the authtoken was checked where the agent is connected. */
  offer: Offer
  report?: HealthReport
}

/** A node's announcements. Withdrawing or reporting an unlisted tunnel changes nothing. */
export type DirectoryChange =
  | { type: 'listed'; listing: Listing }
  | ({ type: 'withdrawn' } & LaneKey)
  | ({ type: 'reported'; report: HealthReport } & LaneKey)

/** News about another node. A node that has left has no listed tunnels any more. */
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
   * @param link the path of the socket at which it takes links
   * @param listener gets news about the other nodes, first about all existing tunnels; never about this node
   */
  join(link: string, listener: (event: DirectoryEvent) => void): void
  /** Only between join() and leave(). */
  tell(change: DirectoryChange): void
  leave(): void
}

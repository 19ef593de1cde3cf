// How an agent's sessions are spread over the nodes of a relay: evenly, so that each node has one and no request needs
// a hop. The agent cannot choose the node of a connection, so it tries again until this says that it is well placed.
// Pure.

/** Far more nodes than a relay has, so that no relay can make an agent dial without end. */
const NODES_MAX = 64

/** How many sessions an agent wants: at least one for each node, unless it is configured to have a single one. */
export function sessionsWanted(connections: number, nodeIds: readonly string[]): number {
  return connections === 1 ? 1 : Math.max(connections, Math.min(nodeIds.length, NODES_MAX))
}

/**
 * Whether a session at `nodeId` would do more good at another node.
 * @param others the nodes of the agent's other sessions
 */
export function isMisplaced(nodeId: string, others: readonly string[], nodeIds: readonly string[]): boolean {
  const count = (id: string): number => others.filter((other) => other === id).length
  const here = count(nodeId)
  return nodeIds.slice(0, NODES_MAX).some((id) => id !== nodeId && count(id) < here)
}

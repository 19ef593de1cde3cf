// Merges the answers of a relay's processes into one. Pure.
// Every worker knows every tunnel, and its own traffic over it: these counts are added up. Only the worker at which an
// agent's connection ends knows that connection.

import { agentKey } from './questions.ts'
import type { Answers, ProcessStatus } from './questions.ts'
import type { AgentResource, EdgeResource, HealthResource, Page, TunnelResource } from './resources.ts'

/** The combined knowledge of the processes; `agents` still by key. @param all at least one */
export function mergeStatus(all: readonly ProcessStatus[]): ProcessStatus {
  const most = (read: (status: ProcessStatus) => number): number => Math.max(0, ...all.map(read))
  const sum = (read: (status: ProcessStatus) => number): number => all.reduce((total, each) => total + read(each), 0)
  const problem = all.find(({ store_problem }) => store_problem !== undefined)?.store_problem
  return {
    ...(problem !== undefined && { store_problem: problem }),
    edges: { total: most(({ edges }) => edges.total), without_tunnel: most(({ edges }) => edges.without_tunnel) },
    tunnels: {
      online: most(({ tunnels }) => tunnels.online),
      unhealthy: most(({ tunnels }) => tunnels.unhealthy),
      in_flight: sum(({ tunnels }) => tunnels.in_flight),
    },
    agents: [...new Set(all.flatMap(({ agents }) => agents))],
    connections: sum(({ connections }) => connections),
    visitor_sessions: most(({ visitor_sessions }) => visitor_sessions),
  }
}

/** @param limit the limit that each process got */
export function mergeEdges(all: Answers['edges'][], limit: number): Page<EdgeResource> {
  // Every worker sees all tunnels; one that has just started may not yet.
  return mergePages(all, edgeKey, limit, (a, b) => (b.status.tunnels.online > a.status.tunnels.online ? b : a))
}

/** @param limit the limit that each process got */
export function mergeTunnels(all: Answers['tunnels'][], limit: number): Page<TunnelResource> {
  return mergePages(all, tunnelKey, limit, mergeTunnel)
}

/** @param limit the limit that each process got */
export function mergeAgents(all: Answers['agents'][], limit: number): Page<AgentResource> {
  return mergePages(all, agentKey, limit, (a, b) => ({
    ...a,
    connected_at: earlier(a.connected_at, b.connected_at),
    tunnels: [...new Set([...a.tunnels, ...b.tunnels])].toSorted(),
    connections: [...a.connections, ...b.connections],
  }))
}

function mergeTunnel(a: TunnelResource, b: TunnelResource): TunnelResource {
  const last = [a, b].map((each) => each.last_request_at ?? '').toSorted()[1]
  return {
    ...a,
    agent: a.agent.version === undefined ? b.agent : a.agent, // only the worker with the connection has its hello
    online_since: earlier(a.online_since, b.online_since),
    in_flight: a.in_flight + b.in_flight,
    ...(last !== '' && last !== undefined && { last_request_at: last }),
    health: worse(a.health, b.health),
    connections: [...a.connections, ...b.connections],
  }
}

function worse(a: HealthResource, b: HealthResource): HealthResource {
  if (a.state === 'healthy' || b.state === 'healthy') return a.state === 'healthy' ? b : a
  return a.since <= b.since ? a : b
}

function mergePages<T>(pages: T[][], keyOf: (row: T) => string, limit: number, merge: (a: T, b: T) => T): Page<T> {
  const byKey = new Map<string, T>()
  for (const row of pages.flat()) {
    const known = byKey.get(keyOf(row))
    byKey.set(keyOf(row), known === undefined ? row : merge(known, row))
  }
  // A full page may omit rows after its last key, but never rows before the `limit`th of all.
  const isMore = byKey.size > limit || pages.some(({ length }) => length >= limit)
  const sorted = [...byKey].toSorted(([a], [b]) => (a < b ? -1 : 1)).slice(0, limit)
  const last = sorted.at(-1)?.[0]
  return { items: sorted.map(([, row]) => row), ...(isMore && last !== undefined && { next: last }) }
}

const edgeKey = ({ id }: EdgeResource): string => id
const tunnelKey = ({ id }: TunnelResource): string => id

/** Times in JSON are ordered as texts. */
function earlier(a: string, b: string): string {
  return a < b ? a : b
}

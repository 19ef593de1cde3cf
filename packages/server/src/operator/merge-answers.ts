// From what each process of a relay answers to one answer. Pure.
//
// A tunnel is known to every worker, and each knows what comes over it there: its counts are added up. The agents'
// connections are known only to the worker where they end.

import { agentKey } from './questions.ts'
import type { Answers, ProcessStatus } from './questions.ts'
import type { AgentResource, EdgeResource, HealthResource, Page, TunnelResource } from './resources.ts'

/** What the processes know together; `agents` still by key. @param all at least one */
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

/** @param limit as each process was told */
export function mergeEdges(all: Answers['edges'][], limit: number): Page<EdgeResource> {
  // Every worker sees all tunnels; one that has just started may not yet.
  return mergePages(all, edgeKey, limit, (a, b) => (b.status.tunnels.online > a.status.tunnels.online ? b : a))
}

/** @param limit as each process was told */
export function mergeTunnels(all: Answers['tunnels'][], limit: number): Page<TunnelResource> {
  return mergePages(all, tunnelKey, limit, mergeTunnel)
}

/** @param limit as each process was told */
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
    agent: a.agent.version === undefined ? b.agent : a.agent, // only who has a connection has heard its hello
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
  // A full page may leave out what comes behind its last key, and so never what comes before the `limit`th of all.
  const isMore = byKey.size > limit || pages.some(({ length }) => length >= limit)
  const sorted = [...byKey].toSorted(([a], [b]) => (a < b ? -1 : 1)).slice(0, limit)
  const last = sorted.at(-1)?.[0]
  return { items: sorted.map(([, row]) => row), ...(isMore && last !== undefined && { next: last }) }
}

const edgeKey = ({ id }: EdgeResource): string => id
const tunnelKey = ({ id }: TunnelResource): string => id

/** Times as JSON has them are in order as texts. */
function earlier(a: string, b: string): string {
  return a < b ? a : b
}

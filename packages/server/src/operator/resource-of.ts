// Turns objects of the rooms into resources for the operator. Reads the clock, nothing else.

import type { KnownEdge, TunnelsOfEdge } from '../edge/known-edge.ts'
import type { LaneCarrier, Tunnel } from '../tunnel/tunnel.ts'
import type { TunnelSession } from '../tunnel/session.ts'
import { isInternalHost } from '../values/hosts/internal-host.ts'
import type {
  AgentResource,
  AgentWords,
  ConnectionResource,
  EdgeResource,
  HealthResource,
  TunnelCount,
  TunnelResource,
} from './resources.ts'

/** @param isStored whether it is an edge of the store */
export function edgeResource(
  { id, hosts, endpoints, authtokenId, closed, groups }: KnownEdge,
  isStored: boolean,
): EdgeResource {
  const tunnels = countTunnels(groups)
  const isUnhealthy = tunnels.online > 0 && tunnels.online === tunnels.unhealthy
  const isAway = groups.length > 0 && tunnels.online === 0
  const state = closed ?? (isAway ? 'no_tunnel' : isUnhealthy ? 'app_unhealthy' : 'online')
  return {
    id,
    hosts: [...hosts],
    source:
      authtokenId === undefined ? { kind: isStored ? 'store' : 'file' } : { kind: 'agent', authtoken_id: authtokenId },
    endpoints: [...endpoints],
    ...(hosts.some(isInternalHost) && { internal: true as const }),
    status: { state, tunnels },
    // For an edge of an agent the relay itself has made them.
    backends:
      authtokenId === undefined
        ? groups.map((group) => ({ labels: Object.fromEntries(group.labels), tunnels: countTunnels([group]) }))
        : [],
  }
}

/** @param room the process, and its table of edges */
export function tunnelResource(
  tunnel: Tunnel,
  { node, edgesOf }: { node: string; edgesOf: (tunnel: Tunnel) => KnownEdge[] },
): TunnelResource {
  const { id, labels, forwardsTo, metadata, upstreamProtocol, weight, authtokenId, instanceId = '' } = tunnel
  const edges = edgesOf(tunnel)
  const url = edges.find((edge) => edge.authtokenId !== undefined)?.endpoints[0]
  const lastRequest = timeOf(tunnel.lastRequestAt)
  return {
    id,
    labels: url === undefined ? Object.fromEntries(labels) : {},
    ...(url !== undefined && { url }),
    forwards_to: forwardsTo,
    ...(metadata !== undefined && { metadata }),
    upstream_protocol: upstreamProtocol,
    weight,
    edges: edges.map((edge) => edge.id),
    agent: { instance_id: instanceId, ...wordsOf(tunnel.sessions) },
    authtoken_id: authtokenId,
    online_since: iso(tunnel.onlineSince),
    in_flight: tunnel.inFlight + tunnel.lasting,
    ...(lastRequest !== undefined && { last_request_at: lastRequest }),
    health: healthOf(tunnel),
    connections: connectionsOf(tunnel.sessions, node),
  }
}

/** @param sessions of one agent, at least one */
export function agentResource(sessions: readonly TunnelSession[], node: string): AgentResource {
  const [{ authtokenId, instanceId = '' }] = sessions as [TunnelSession] // at least one, as the parameter says
  const tunnels = new Set(sessions.flatMap((session) => Array.from(session.tunnels, ({ id }) => id)))
  return {
    instance_id: instanceId,
    ...wordsOf(sessions),
    authtoken_id: authtokenId,
    connected_at: iso(Math.min(...sessions.map(({ openedAt }) => openedAt))),
    tunnels: [...tunnels].toSorted(),
    connections: connectionsOf(sessions, node),
  }
}

function healthOf({ health, onlineSince }: Tunnel): HealthResource {
  const state = health.isAside ? 'unreachable' : health.isReportedHealthy ? 'healthy' : 'unhealthy'
  return { state, detail: health.detail, since: iso(health.changedAt ?? onlineSince) }
}

function countTunnels(groups: readonly TunnelsOfEdge[]): TunnelCount {
  const tunnels = new Set(groups.flatMap(({ selection }) => selection.tunnels))
  let unhealthy = 0
  for (const tunnel of tunnels) if (!tunnel.isWell) unhealthy++
  return { online: tunnels.size, unhealthy }
}

/** The same on all connections of an agent. */
function wordsOf(sessions: readonly LaneCarrier[]): AgentWords {
  const agent = sessions.find(({ origin }) => origin)?.origin?.agent
  if (!agent) return {}
  const { version, os, machine } = agent
  return { version, os, ...(machine !== undefined && { machine }) }
}

/** The connections that end at this node; other nodes report theirs. */
function connectionsOf(sessions: readonly LaneCarrier[], node: string): ConnectionResource[] {
  return sessions.flatMap(({ id, origin }) => {
    if (!origin) return []
    const { address, connectedAt, roundTripMs } = origin
    const latency = roundTripMs !== undefined && { latency_ms: Math.round(roundTripMs) }
    return [{ id, node, address, connected_at: iso(connectedAt), ...latency }]
  })
}

/** @param monotonic milliseconds; NaN if it has not happened */
function timeOf(monotonic: number): string | undefined {
  return Number.isNaN(monotonic) ? undefined : iso(Date.now() - (performance.now() - monotonic))
}

function iso(milliseconds: number): string {
  return new Date(milliseconds).toISOString()
}

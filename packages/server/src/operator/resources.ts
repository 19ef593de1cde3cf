// The resources of a relay for its operator: the shapes of its answers as JSON. Fields may be added, nothing else.
// Times are RFC 3339 in UTC; an absent field is unknown, or has its default. They hold no secrets. Types only.

import type { StoredEdgeInUse } from '../edge/stored/stored-edge.ts'

/** The relay as a whole, over all of its processes. */
export interface RelayStatus {
  version: string
  /** Of the process that answers: the supervisor, if there are workers. */
  pid: number
  started_at: string
  state: 'serving' | 'draining'
  /** A sentence for each problem; empty without problems. */
  problems: string[]
  public_url: string
  /** `host:port` of each listener. */
  listeners: { http?: string; https?: string; admin?: string }
  store: { path: string; healthy: boolean }
  /** Absent if one process does everything. */
  workers?: WorkerResource[]
  /** `without_tunnel`: edges that lead to tunnels, of which none is online. */
  edges: { total: number; without_tunnel: number }
  tunnels: { online: number; unhealthy: number; in_flight: number }
  agents: { total: number; connections: number }
  visitor_sessions: number
}

export interface WorkerResource {
  number: number
  /** Absent while it does not run. */
  pid?: number
  state: 'starting' | 'serving' | 'draining' | 'waiting' | 'ended'
  restarts: number
}

export interface EdgeResource {
  id: string
  hosts: string[]
  source: { kind: 'file' } | { kind: 'store' } | { kind: 'agent'; authtoken_id: string }
  endpoints: string[]
  /** Present for an internal endpoint: policies forward to it, and no visitor's Host leads there. */
  internal?: true
  status: { state: 'online' | 'no_tunnel' | 'app_unhealthy' | 'broken' | 'disabled'; tunnels: TunnelCount }
  /** The selectors of its routes, for backends chosen by labels. */
  backends: { labels: Record<string, string>; tunnels: TunnelCount }[]
}

/** An edge of the store, in all processes of a relay. */
export interface StoredEdgeEverywhere {
  processes: StoredEdgeInUse[]
  /** Workers that did not answer in time; absent without any. */
  silent_workers?: number
}

/** `online` includes tunnels whose app is unhealthy. */
export interface TunnelCount {
  online: number
  unhealthy: number
}

/** One offer of an agent, over all of its connections. */
export interface TunnelResource {
  id: string
  labels: Record<string, string>
  /** The address of its own endpoint; absent if labels lead to it. */
  url?: string
  forwards_to: string
  metadata?: string
  upstream_protocol: 'http1' | 'http2'
  weight: number
  /** The ids of the edges that lead to it. */
  edges: string[]
  agent: AgentWords & { instance_id: string }
  authtoken_id: string
  online_since: string
  /** Requests, WebSockets and event streams that are open. */
  in_flight: number
  last_request_at?: string
  health: HealthResource
  connections: ConnectionResource[]
}

export interface HealthResource {
  /** `unreachable`: the app takes no connection. `unhealthy`: the agent's own check says so. */
  state: 'healthy' | 'unhealthy' | 'unreachable'
  /** In the agent's words; empty if it is healthy. */
  detail: string
  since: string
}

/** One agent process. */
export interface AgentResource extends AgentWords {
  instance_id: string
  authtoken_id: string
  connected_at: string
  /** The ids of its tunnels. */
  tunnels: string[]
  connections: ConnectionResource[]
}

/** The agent's own statements, unchecked. */
export interface AgentWords {
  version?: string
  os?: string
  machine?: string
}

export interface ConnectionResource {
  id: string
  /** The relay process at which it ends. */
  node: string
  address: string
  connected_at: string
  latency_ms?: number
}

/** One page of a list. */
export interface Page<T> {
  items: T[]
  /** The start of the next page; absent on the last one. */
  next?: string
  /** How many workers did not answer in time: their own knowledge is missing. */
  silent_workers?: number
}

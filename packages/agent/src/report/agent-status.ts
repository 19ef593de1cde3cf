// The state of an agent, for its view and for programs that embed it. Types only.

import type { EdgeStatus } from './edge-status.ts'
import type { Message } from './messages.ts'
import type { SeenRequest } from './seen-request.ts'

export interface TunnelStatus {
  name: string | undefined
  /** Empty if it has an endpoint of its own. */
  labels: string
  forwardsTo: string
  /** Public URLs, as the relay last said; empty before that, or if no edge of the relay selects this tunnel. */
  endpoints: readonly string[]
  /** The edges of these URLs, as far as the relay tells. */
  edges?: readonly EdgeStatus[]
  /** Says who may visit its own endpoint, by its flags. */
  visitors?: string | undefined
  /** The URI to register at the identity provider, if visitors of its endpoint sign in. */
  redirectUri?: string | undefined
  /** The result of the agent's own check of the app; undefined without a check. */
  health?: { readonly healthy: boolean; readonly detail: string } | undefined
}

export interface AgentStatus {
  state: 'connecting' | 'online' | 'waiting' | 'closing' | 'closed'
  /** The relay's URL. */
  relay: string
  relayVersion: string | undefined
  latencyMs: number | undefined
  tunnels: readonly TunnelStatus[]
  /** Connections to the relay: wanted, and open. */
  sessions: { wanted: number; online: number }
  /** Connections to the apps. */
  connections: { total: number; open: number }
  /** Visitors' requests, the newest first; undefined if no view shows them. */
  requests?: { total: number; last: readonly SeenRequest[] } | undefined
  /** When the next attempt starts, while `waiting`. Milliseconds since the epoch. */
  retryAt: number | undefined
  /** Messages for the person, the oldest first. */
  messages: readonly Message[]
}

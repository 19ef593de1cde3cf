// The questions to one relay process on behalf of the operator, and its answers. With workers both travel as JSON
// between processes of this program.

import type { StoredEdgeInUse } from '../edge/stored/stored-edge.ts'
import type { AgentResource, EdgeResource, TunnelResource } from './resources.ts'

/** The rows whose keys come after `after`, in order. */
export interface PageWish {
  after: string
  limit: number
}

export type Question =
  | { of: 'status' }
  | ({ of: 'edges' } & PageWish)
  /** @property edge only the tunnels of this edge: its id, or one of its hosts */
  | ({ of: 'tunnels'; edge?: string } & PageWish)
  | ({ of: 'agents' } & PageWish)
  /** @property id of an edge of the store */
  | { of: 'stored edge'; id: string }

/** Rows come in the order of their keys, with none left out between them. */
export interface Answers {
  status: ProcessStatus
  edges: EdgeResource[]
  tunnels: TunnelResource[]
  agents: AgentResource[]
  'stored edge': StoredEdgeInUse
}

export type Answer = Answers[Question['of']]

/** The state of the relay as one process knows it. */
export interface ProcessStatus {
  /** A sentence if the store has a problem. */
  store_problem?: string
  edges: { total: number; without_tunnel: number }
  tunnels: { online: number; unhealthy: number; in_flight: number }
  /** The keys of the agents that are connected here: an agent with a connection to each worker counts once. */
  agents: string[]
  connections: number
  visitor_sessions: number
}

/** Asks every process of a relay. */
export type AskProcesses = <Of extends Question['of']>(
  question: Extract<Question, { of: Of }>,
) => Promise<{ answers: Answers[Of][]; silent: number }>

export function agentKey({ authtoken_id, instance_id }: Pick<AgentResource, 'authtoken_id' | 'instance_id'>): string {
  return `${authtoken_id} ${instance_id}`
}

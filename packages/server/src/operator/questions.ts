// What one relay process is asked on behalf of the operator, and what it answers. With workers both travel as JSON between
// processes of this program.

import type { AgentResource, EdgeResource, TunnelResource } from './resources.ts'

/** The rows whose keys come behind `after`, in order. */
export interface PageWish {
  after: string
  limit: number
}

export type Question =
  | { of: 'status' }
  | ({ of: 'edges' } & PageWish)
  /** @property edge only those that it leads to: its id, or a host of it */
  | ({ of: 'tunnels'; edge?: string } & PageWish)
  | ({ of: 'agents' } & PageWish)

/** Rows come in the order of their keys, with none left out between them. */
export interface Answers {
  status: ProcessStatus
  edges: EdgeResource[]
  tunnels: TunnelResource[]
  agents: AgentResource[]
}

export type Answer = Answers[Question['of']]

/** What one process knows of the whole. */
export interface ProcessStatus {
  /** A sentence where something is wrong with the store. */
  store_problem?: string
  edges: { total: number; without_tunnel: number }
  tunnels: { online: number; unhealthy: number; in_flight: number }
  /** The keys of the agents that are connected here: one with a connection to each worker counts once. */
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

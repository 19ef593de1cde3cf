// The status of a relay: of its main process, and of all its processes together. Pure.

import { RELAY_VERSION } from '../version.ts'
import { mergeStatus } from './merge-answers.ts'
import type { ProcessStatus } from './questions.ts'
import type { RelayStatus, WorkerResource } from './resources.ts'

/** The knowledge of the process that answers the operator. */
export interface RelayFacts {
  startedAt: number
  isDraining: boolean
  /** Why it takes no visitors, or cannot save anything. */
  problem: string | undefined
  publicUrl: URL
  listeners: RelayStatus['listeners']
  storePath: string
  /** None if it serves by itself. */
  workers?: WorkerResource[]
}

/** @param silent how many workers did not answer in time */
export function relayStatus(facts: RelayFacts, answers: readonly ProcessStatus[], silent: number): RelayStatus {
  const { store_problem, edges, tunnels, agents, connections, visitor_sessions } = mergeStatus(answers)
  const problems = [
    ...new Set([facts.problem, store_problem].filter((problem) => problem !== undefined)),
    ...(silent > 0 ? [`${silent === 1 ? 'a worker' : `${silent} workers`} did not answer in time`] : []),
  ]
  return {
    version: RELAY_VERSION,
    pid: process.pid,
    started_at: new Date(facts.startedAt).toISOString(),
    state: facts.isDraining ? 'draining' : 'serving',
    problems,
    public_url: facts.publicUrl.origin,
    listeners: facts.listeners,
    store: { path: facts.storePath, healthy: store_problem === undefined },
    ...(facts.workers && { workers: facts.workers }),
    edges,
    tunnels,
    agents: { total: agents.length, connections },
    visitor_sessions,
  }
}

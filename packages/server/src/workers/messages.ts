// The messages between the supervisor and its workers, over the channel that node:child_process gives a child. Types
// only: both ends are this program.

import type { LogWish } from '../config/log-words.ts'
import type { ConfigProblem } from '../errors.ts'
import type { DirectoryChange, DirectoryEvent } from '../node/directory.ts'
import type { Answer, Question } from '../operator/questions.ts'
import type { EdgeChanges } from '../edge/configured-edges.ts'
import type { PassedCounts } from '../policy/rate-limit/shared-counts.ts'

/** Everything that a worker gets at its start. */
export interface WorkerPlan {
  /** Counts from 1; for people. */
  number: number
  /**
   * The text of relay.yml at the start of the relay, not expanded, because a worker that starts later must not read a
   * changed file.
   */
  config: { text: string; source: string }
  /** The flags and environment that override `log` in it. */
  log: LogWish
  /** The ports that the system chose, for ports of the configuration that are 0. */
  ports: { http?: number; https?: number }
  nodeId: string
  nodeIds: readonly string[]
  /** The path of the socket for links of other workers. */
  link: string
  /** The secret of the links, in base64. */
  secret: string
}

/** The result of a reload: changed edges, or problems. */
export type ReloadOutcome = { edges: EdgeChanges } | { problems: readonly ConfigProblem[] }

export type ToWorker =
  | { type: 'start'; plan: WorkerPlan }
  | { type: 'heard'; event: DirectoryEvent }
  | { type: 'attempted'; of: string; address: string }
  /** For rate limits. */
  | { type: 'passed'; counts: PassedCounts }
  | { type: 'measure'; id: number }
  /** For the operator. */
  | { type: 'ask'; id: number; question: Question }
  /** Another text of the configuration, whose edges count from now on. */
  | { type: 'reload'; id: number; config: WorkerPlan['config'] }
  | { type: 'drain' }
  /** No worker has an exchange under way any more. */
  | { type: 'all_finished' }

export type FromWorker =
  | { type: 'started'; addresses: { http?: number; https?: number } }
  | { type: 'refused'; problems: readonly ConfigProblem[] }
  | { type: 'joined'; link: string }
  | { type: 'told'; change: DirectoryChange }
  | { type: 'left' }
  | { type: 'attempted'; of: string; address: string }
  | { type: 'passed'; counts: PassedCounts }
  | { type: 'measured'; id: number; metrics: object }
  | { type: 'answered'; id: number; answer: Answer }
  | { type: 'reloaded'; id: number; outcome: ReloadOutcome }
  /** Why it cannot save in the store; without a reason it can again. */
  | { type: 'store_loss'; reason?: string }
  /** It drains, and has no exchange under way any more. */
  | { type: 'finished' }

// The messages between sqlite-store.ts (main thread) and sqlite-worker.ts. Types only.

import type { Write } from '../store.ts'

/** The writes of one commit. */
export type Commit = readonly Write[]

export type Result =
  | { type: 'revisions'; revisions: number[] }
  /** Nothing was written: the key of this write does not have the expected revision. */
  | { type: 'conflict'; index: number }

export type ToWorker =
  | { type: 'batch'; commits: Commit[] }
  /** Rows have expired. */
  | { type: 'sweep' }
  | { type: 'close' }

export type FromWorker =
  | { type: 'results'; results: Result[] }
  /** Nothing of the batch was written; a sentence for the operator. */
  | { type: 'batch_failed'; reason: string }
  | { type: 'swept' }
  /** Whether writing is possible has changed. */
  | { type: 'health'; problem: string | undefined }

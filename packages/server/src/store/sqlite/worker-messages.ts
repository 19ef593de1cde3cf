// The messages between sqlite-store.ts (main thread) and sqlite-worker.ts. Types only.

interface Target {
  bucket: string
  key: string
  /** Only if the key has this revision; 0 means that it must not exist. */
  expectedRevision: number | undefined
}

export type Operation =
  | (Target & { type: 'put'; json: string; ttlMs: number | undefined })
  | (Target & { type: 'delete' })

export type Result =
  | { type: 'revision'; revision: number }
  | { type: 'deleted'; existed: boolean }
  | { type: 'conflict' }

/** One row of the file; `json` is null if it was deleted. */
export interface Row {
  bucket: string
  key: string
  json: string | null
  revision: number
}

export type ToWorker =
  | { type: 'batch'; operations: Operation[] }
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

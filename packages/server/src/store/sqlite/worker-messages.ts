// What sqlite-store.ts (main thread) and sqlite-worker.ts say to each other. Types only.

interface Target {
  bucket: string
  key: string
  /** Only where the key stands at this revision; 0 means that there is none. */
  expectedRevision: number | undefined
}

export type Operation =
  | (Target & { type: 'put'; json: string; ttlMs: number | undefined })
  | (Target & { type: 'delete' })

export type Result =
  | { type: 'revision'; revision: number }
  | { type: 'deleted'; existed: boolean }
  | { type: 'conflict' }

/** One row of the file; `json` is null where it was deleted. */
export interface Row {
  bucket: string
  key: string
  json: string | null
  revision: number
}

export type ToWorker =
  | { type: 'batch'; operations: Operation[] }
  /** Something has expired. */
  | { type: 'sweep' }
  | { type: 'close' }

export type FromWorker =
  | { type: 'results'; results: Result[] }
  /** Nothing of the batch was written; a sentence for the operator. */
  | { type: 'batch_failed'; reason: string }
  | { type: 'swept' }
  /** Whether writing is possible has changed. */
  | { type: 'health'; problem: string | undefined }

// What sqlite-store.ts (main thread) and sqlite-worker.ts say to each other. Types only.

export type Operation =
  | { type: 'get'; bucket: string; key: string }
  | {
      type: 'put'
      bucket: string
      key: string
      json: string
      expectedRevision: number | undefined
      ttlMs: number | undefined
    }
  | { type: 'delete'; bucket: string; key: string; expectedRevision: number | undefined }
  | { type: 'snapshot'; bucket: string }

/** One row of the file; `json` is null where it was deleted. */
export interface Row {
  bucket: string
  key: string
  json: string | null
  revision: number
}

export type Result =
  | { type: 'row'; row: Row | undefined }
  | { type: 'revision'; revision: number }
  | { type: 'deleted'; existed: boolean }
  | { type: 'conflict' }
  | { type: 'snapshot'; rows: Row[]; revision: number }

export type ToWorker =
  | { type: 'batch'; operations: Operation[] }
  | { type: 'unwatch'; bucket: string }
  | { type: 'close' }

export type FromWorker =
  | { type: 'ready' }
  /** The file cannot be used at all; a sentence for the operator. */
  | { type: 'refused'; reason: string }
  | { type: 'results'; results: Result[] }
  | { type: 'batch_failed'; reason: string }
  | { type: 'changes'; rows: Row[] }
  | { type: 'health'; problem: string | undefined }

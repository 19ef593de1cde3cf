// The store: buckets of versioned JSON values. Rooms depend on this interface only, and open-store.ts opens one.
// No request waits for the store: every room holds what it needs in memory through `watch`.

/** How late, at most, a watch tells of another process's write; its own come at once. */
export const WATCH_INTERVAL_MS = 200

/** A value as it stands in a bucket. */
export interface Entry<T> {
  value: T
  /** Grows with every write to the store, whichever bucket or process it comes from. */
  revision: number
}

/** One step of a watch: `value` is undefined where the key was deleted or has expired. */
export interface Change<T> {
  key: string
  value: T | undefined
  revision: number
}

export interface PutOptions {
  /** Write only where the key stands at this revision; 0 means that the key must not exist. Otherwise `StoreConflict`. */
  expectedRevision?: number
  /** After this many milliseconds the key counts as deleted. Without it the key stays. */
  ttlMs?: number
}

export interface DeleteOptions {
  /** Delete only where the key stands at this revision. Otherwise `StoreConflict`. */
  expectedRevision?: number
}

/**
 * Values of one kind under text keys. Every promise may reject with `StoreUnavailable`.
 * A stored value that the bucket's `parse` refuses counts as absent and is reported by the store.
 */
export interface Bucket<T> {
  get(key: string): Promise<Entry<T> | undefined>

  /** Answers with the new revision. Throws `StoreConflict`. */
  put(key: string, value: T, options?: PutOptions): Promise<number>

  /** Answers whether there was something to delete. Throws `StoreConflict`. */
  delete(key: string, options?: DeleteOptions): Promise<boolean>

  /**
   * Calls `listener` for every entry that exists, then resolves, then calls it for every change of any process until
   * `signal` aborts. A write of this process is told before it is answered. Changes of one key come in order; several quick writes to a key may arrive as the last one only.
   */
  watch(listener: (change: Change<T>) => void, options: { signal: AbortSignal }): Promise<void>
}

export interface Store {
  /** `parse` turns what was stored into the value, and throws where it is not one. */
  bucket<T>(name: string, parse: (stored: unknown) => T): Bucket<T>

  /**
   * From now on there are visitors, and nothing that is written may hold them up. Until then, and in commands that
   * serve nobody, it may. Idempotent.
   */
  serve(): void

  /** Writes what is queued, then ends. Everything afterwards is `StoreUnavailable`. */
  close(): Promise<void>

  /** False while reading or writing fails, and after the end. */
  readonly healthy: boolean
}

/** Who hears of what no caller does. */
export interface StoreListeners {
  /** Once for each failure: trouble on the disk, or a stored value that cannot be read. */
  onProblem?: (problem: Error) => void
  /** When trouble on the disk has been over for a while. */
  onRecovery?: (problem: string) => void
  /** When what was opened is no longer at its place, with a sentence, and when it is there again. */
  onLoss?: (loss: string | undefined) => void
}

/** The key stands at another revision than the writer believed. */
export class StoreConflict extends Error {
  constructor(bucket: string, key: string, options?: ErrorOptions) {
    super(`${bucket}/${key} was changed by someone else`, options)
    this.name = 'StoreConflict'
  }
}

/** The store cannot answer at the moment: disk full, file locked for too long, worker gone, or closed. */
export class StoreUnavailable extends Error {
  constructor(reason: string, options?: ErrorOptions) {
    super(`the store is unavailable: ${reason}`, options)
    this.name = 'StoreUnavailable'
  }
}

// The store: buckets of versioned JSON values. Rooms depend on this interface only, and open-store.ts opens one.
// No request waits for the store: every room holds its data in memory through `watch`.

/** The longest delay of a watch for another process's write; its own writes come at once. */
export const WATCH_INTERVAL_MS = 200

/** A value in a bucket. */
export interface Entry<T> {
  value: T
  /** Grows with every write to the store, from any bucket or process. */
  revision: number
}

/**
 * One step of a watch: `value` is undefined if the key was deleted or has expired, and if the stored value cannot be read.
 * In the last case `unreadable` is true: a newer version may have written the value, so it does not mean a deletion.
 */
export interface Change<T> {
  key: string
  value: T | undefined
  unreadable?: true
  revision: number
}

/** Entries of a bucket in the order of their keys (by the bytes of their UTF-8). */
export interface Page<T> {
  entries: (Entry<T> & { key: string })[]
  /** The value of `after` for the next page, if there is one. It stays right even if entries come and go meanwhile. */
  next: string | undefined
}

export interface PageOptions {
  /** The last key of the page before. Without it the first page is read. */
  after?: string
  /** 1 to 1000 rows; those that cannot be read are left out. */
  limit: number
  /** From the last key to the first. */
  backward?: boolean
}

export interface PutOptions {
  /** Write only if the key has this revision; 0 means that the key must not exist. Otherwise `StoreConflict`. */
  expectedRevision?: number
  /** After this many milliseconds the key counts as deleted. Without it the key stays. */
  ttlMs?: number
}

export interface DeleteOptions {
  /** Delete only if the key has this revision. Otherwise `StoreConflict`. */
  expectedRevision?: number
}

/** A write that has not happened yet: a bucket makes it, and `Store.commit` runs it. */
export type Write = Readonly<
  { bucket: string; key: string; expectedRevision: number | undefined } & (
    | { type: 'put'; json: string; ttlMs: number | undefined; known: readonly string[] | undefined }
    | { type: 'delete' }
  )
>

/**
 * Values of one kind under text keys. Every promise may reject with `StoreUnavailable`.
 * A stored value that the bucket's `parse` refuses counts as absent and is reported by the store.
 */
export interface Bucket<T> {
  get(key: string): Promise<Entry<T> | undefined>

  /** Returns the new revision. Throws `StoreConflict`. */
  put(key: string, value: T, options?: PutOptions): Promise<number>

  /** Returns whether the key existed. Throws `StoreConflict`. */
  delete(key: string, options?: DeleteOptions): Promise<boolean>

  /** A put for `Store.commit`. @throws TypeError or RangeError if the value cannot be stored */
  putting(key: string, value: T, options?: PutOptions): Write

  /** A deletion for `Store.commit`. */
  deleting(key: string, options?: DeleteOptions): Write

  /** Reads a bucket piece by piece. @throws RangeError if the limit is out of range */
  page(options: PageOptions): Promise<Page<T>>

  /**
   * Calls `listener` for every entry that exists, then resolves, then calls it for every change of any process until
   * `signal` aborts. A write of this process is reported before it is answered. Changes of one key come in order;
   * several quick writes to a key may arrive as the last one only. The writes of one commit come in one turn.
   */
  watch(listener: (change: Change<T>) => void, options: { signal: AbortSignal }): Promise<void>
}

export interface BucketOptions {
  /**
   * The members that this version knows of the bucket's objects. A put leaves the other members of a stored value as
   * they are: a newer version, which works on the same store, has written them.
   */
  known?: readonly string[]
}

/** No commit has more writes. */
export const COMMIT_MAX_WRITES = 500

export interface Store {
  /** `parse` turns the stored JSON into the value, and throws if it is not valid. */
  bucket<T>(name: string, parse: (stored: unknown) => T, options?: BucketOptions): Bucket<T>

  /**
   * Writes to any buckets, all or nothing, also if the process is killed meanwhile.
   * @param writes no two with the same key
   * @returns the revision of each, in their order; 0 for a deletion of a key that does not exist
   * @throws StoreConflict if a key does not have the expected revision; nothing is written
   */
  commit(writes: readonly Write[]): Promise<number[]>

  /** Looks for writes of other processes now, instead of at the next interval; watches are called before it returns. */
  look(): void

  /**
   * From now on visitors are served, and writes must not delay them. Until then, and in commands, they may block.
   * Idempotent.
   */
  serve(): void

  /** Finishes queued writes, then ends. Every later call is `StoreUnavailable`. */
  close(): Promise<void>

  /** False while reading or writing fails, and after the end. */
  readonly healthy: boolean
}

/** Listens to events that no caller sees. */
export interface StoreListeners {
  /** Once for each failure: a problem of the disk, or a stored value that cannot be read. */
  onProblem?: (problem: Error) => void
  /** When a problem of the disk has ended a while ago. */
  onRecovery?: (problem: string) => void
  /** When the opened file is no longer at its place, with a sentence, and when it is there again. */
  onLoss?: (loss: string | undefined) => void
}

/** The key has another revision than the writer expected. */
export class StoreConflict extends Error {
  readonly bucket: string
  readonly key: string

  constructor(bucket: string, key: string, options?: ErrorOptions) {
    super(`${bucket}/${key} was changed by someone else`, options)
    this.name = 'StoreConflict'
    this.bucket = bucket
    this.key = key
  }
}

/** The store cannot answer at the moment: disk full, file locked for too long, worker gone, or closed. */
export class StoreUnavailable extends Error {
  constructor(reason: string, options?: ErrorOptions) {
    super(`the store is unavailable: ${reason}`, options)
    this.name = 'StoreUnavailable'
  }
}

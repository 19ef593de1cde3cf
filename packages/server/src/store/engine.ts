// The common part of all engines of the store: it converts values of buckets to the JSON of rows and back, and checks
// writes. An engine only keeps rows.

import { COMMIT_MAX_WRITES } from './store.ts'
import type {
  Bucket,
  BucketOptions,
  Change,
  DeleteOptions,
  Entry,
  Page,
  PageOptions,
  PutOptions,
  Write,
} from './store.ts'

const JSON_MAX_CHARS = 1024 * 1024
const PAGE_MAX_ROWS = 1000

/** A value as it is stored; `json` is null if it was deleted. */
export interface Row {
  bucket: string
  key: string
  json: string | null
  revision: number
}

/** The work of an engine. Every promise may reject with `StoreUnavailable`. */
export interface Engine {
  get(bucket: string, key: string): Promise<Row | undefined>
  /** Live rows in the order of their keys. */
  page(bucket: string, options: PageOptions): Promise<Row[]>
  /** See Bucket.watch(); tells a row for each change. */
  watch(bucket: string, signal: AbortSignal, tell: (row: Row) => void): Promise<void>
  /** See Store.commit(). */
  commit(writes: readonly Write[]): Promise<number[]>
  onProblem(problem: Error): void
}

export class EngineBucket<T> implements Bucket<T> {
  readonly #engine: Engine
  readonly #name: string
  readonly #parse: (stored: unknown) => T
  readonly #known: readonly string[] | undefined

  constructor(engine: Engine, name: string, parse: (stored: unknown) => T, { known }: BucketOptions) {
    this.#engine = engine
    this.#name = name
    this.#parse = parse
    this.#known = known
  }

  async get(key: string): Promise<Entry<T> | undefined> {
    const row = await this.#engine.get(this.#name, key)
    return row && this.#entryOf(row)
  }

  async put(key: string, value: T, options?: PutOptions): Promise<number> {
    const [revision = 0] = await this.#engine.commit([this.putting(key, value, options)])
    return revision
  }

  async delete(key: string, options?: DeleteOptions): Promise<boolean> {
    const [revision = 0] = await this.#engine.commit([this.deleting(key, options)])
    return revision > 0
  }

  putting(key: string, value: T, { expectedRevision, ttlMs }: PutOptions = {}): Write {
    if (ttlMs !== undefined && !Number.isFinite(ttlMs)) throw new RangeError('ttlMs must be a finite number')
    return { type: 'put', bucket: this.#name, key, json: jsonOf(value), expectedRevision, ttlMs, known: this.#known }
  }

  deleting(key: string, { expectedRevision }: DeleteOptions = {}): Write {
    return { type: 'delete', bucket: this.#name, key, expectedRevision }
  }

  async page(options: PageOptions): Promise<Page<T>> {
    const { limit } = options
    if (!Number.isInteger(limit) || limit < 1 || limit > PAGE_MAX_ROWS)
      throw new RangeError(`a page has 1 to ${PAGE_MAX_ROWS} rows, not ${limit}`)
    const rows = await this.#engine.page(this.#name, { ...options, limit: limit + 1 })
    const shown = rows.slice(0, limit)
    const entries = shown.flatMap((row) => {
      const entry = this.#entryOf(row)
      return entry ? [{ key: row.key, ...entry }] : []
    })
    return { entries, next: rows.length > limit ? shown.at(-1)?.key : undefined }
  }

  watch(listener: (change: Change<T>) => void, { signal }: { signal: AbortSignal }): Promise<void> {
    return this.#engine.watch(this.#name, signal, (row) => {
      const { key, revision } = row
      const entry = this.#entryOf(row)
      const isUnreadable = entry === undefined && row.json !== null
      listener({ key, value: entry?.value, ...(isUnreadable && { unreadable: true }), revision })
    })
  }

  #entryOf({ json, revision }: Row): Entry<T> | undefined {
    if (json === null) return undefined
    try {
      return { value: this.#parse(JSON.parse(json)), revision }
    } catch (cause) {
      this.#engine.onProblem(new Error(`${this.#name}: a stored value cannot be read and counts as absent`, { cause }))
      return undefined
    }
  }
}

/** @throws RangeError if there are too many; TypeError if two have the same key */
export function checkWrites(writes: readonly Write[]): void {
  if (writes.length > COMMIT_MAX_WRITES)
    throw new RangeError(`a commit of ${writes.length} writes is too large; ${COMMIT_MAX_WRITES} are possible`)
  const keys = new Set(writes.map(({ bucket, key }) => JSON.stringify([bucket, key])))
  if (keys.size < writes.length) throw new TypeError('a commit writes to one key twice')
}

function jsonOf(value: unknown): string {
  const json = JSON.stringify(value) as string | undefined // undefined has no JSON
  if (json === undefined) throw new TypeError('undefined cannot be stored; delete the key instead')
  if (json.length > JSON_MAX_CHARS)
    throw new RangeError(`a value of ${json.length} characters is too large to be stored`)
  return json
}

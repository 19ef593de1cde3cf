// A bucket of the SQLite store: values to and from the JSON of its rows.

import type { Bucket, Change, DeleteOptions, Entry, Page, PageOptions, PutOptions, Write } from '../store.ts'
import type { SqliteReader } from './sqlite-reader.ts'
import type { Row } from './worker-messages.ts'

const JSON_MAX_CHARS = 1024 * 1024
const PAGE_MAX_ROWS = 1000

export interface SqliteBucketInit<T> {
  name: string
  parse: (stored: unknown) => T
  /** As BucketOptions has it. */
  known: readonly string[] | undefined
  onProblem: (problem: Error) => void
  /** Reads once the file allows it. @throws StoreUnavailable */
  read<R>(read: (reader: SqliteReader) => R): Promise<R>
  watch(signal: AbortSignal, tell: (row: Row) => void): Promise<void>
  commit(writes: readonly Write[]): Promise<number[]>
}

export class SqliteBucket<T> implements Bucket<T> {
  readonly #init: SqliteBucketInit<T>

  constructor(init: SqliteBucketInit<T>) {
    this.#init = init
  }

  async get(key: string): Promise<Entry<T> | undefined> {
    const { name } = this.#init
    const row = await this.#init.read((reader) => reader.get(name, key, Date.now()))
    return row && this.#entryOf(row)
  }

  async put(key: string, value: T, options?: PutOptions): Promise<number> {
    const [revision = 0] = await this.#init.commit([this.putting(key, value, options)])
    return revision
  }

  async delete(key: string, options?: DeleteOptions): Promise<boolean> {
    const [revision = 0] = await this.#init.commit([this.deleting(key, options)])
    return revision > 0
  }

  putting(key: string, value: T, { expectedRevision, ttlMs }: PutOptions = {}): Write {
    if (ttlMs !== undefined && !Number.isFinite(ttlMs)) throw new RangeError('ttlMs must be a finite number')
    const { name: bucket, known } = this.#init
    return { type: 'put', bucket, key, json: jsonOf(value), expectedRevision, ttlMs, known }
  }

  deleting(key: string, { expectedRevision }: DeleteOptions = {}): Write {
    return { type: 'delete', bucket: this.#init.name, key, expectedRevision }
  }

  async page(options: PageOptions): Promise<Page<T>> {
    const { limit } = options
    if (!Number.isInteger(limit) || limit < 1 || limit > PAGE_MAX_ROWS)
      throw new RangeError(`a page has 1 to ${PAGE_MAX_ROWS} rows, not ${limit}`)
    const { name } = this.#init
    const rows = await this.#init.read((reader) => reader.page(name, Date.now(), { ...options, limit: limit + 1 }))
    const shown = rows.slice(0, limit)
    const entries = shown.flatMap((row) => {
      const entry = this.#entryOf(row)
      return entry ? [{ key: row.key, ...entry }] : []
    })
    return { entries, next: rows.length > limit ? shown.at(-1)?.key : undefined }
  }

  watch(listener: (change: Change<T>) => void, { signal }: { signal: AbortSignal }): Promise<void> {
    return this.#init.watch(signal, (row) => {
      const { key, revision } = row
      const entry = this.#entryOf(row)
      const isUnreadable = entry === undefined && row.json !== null
      listener({ key, value: entry?.value, ...(isUnreadable && { unreadable: true }), revision })
    })
  }

  #entryOf({ json, revision }: Row): Entry<T> | undefined {
    if (json === null) return undefined
    const { name, parse, onProblem } = this.#init
    try {
      return { value: parse(JSON.parse(json)), revision }
    } catch (error) {
      onProblem(new Error(`${name}: a stored value cannot be read and counts as absent`, { cause: error }))
      return undefined
    }
  }
}

function jsonOf(value: unknown): string {
  const json = JSON.stringify(value) as string | undefined // undefined has no JSON
  if (json === undefined) throw new TypeError('undefined cannot be stored; delete the key instead')
  if (json.length > JSON_MAX_CHARS)
    throw new RangeError(`a value of ${json.length} characters is too large to be stored`)
  return json
}

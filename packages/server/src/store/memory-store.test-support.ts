// An engine of the store in memory, for tests: it can be switched off. It passes the suite of store-contract.test-support.ts.

import { keepUnknown } from './keep-unknown.ts'
import { StoreConflict, StoreUnavailable } from './store.ts'
import type { Bucket, BucketOptions, Change, Entry, Store, StoreListeners, Write } from './store.ts'

interface Row {
  /** As it is stored. */
  value: unknown
  revision: number
  expiresAt?: number
}

interface Watcher {
  bucket: string
  tell: (key: string, row: Row | undefined, revision: number) => void
}

export class MemoryStore implements Store {
  down = false
  /** So many more puts succeed; undefined for all. */
  failPutsAfter: number | undefined
  writes = 0
  reads = 0
  /** By bucket/key. */
  readonly rows = new Map<string, Row>()
  readonly #watchers = new Set<Watcher>()
  readonly #expiries = new Set<NodeJS.Timeout>()
  readonly #onProblem: (problem: Error) => void
  readonly #tellsLate: boolean
  #revision = 0

  /** @param tellsLate tells watches in a later turn, as a store does that another process has written */
  constructor({
    onProblem = () => {},
    tellsLate = false,
  }: Pick<StoreListeners, 'onProblem'> & { tellsLate?: boolean } = {}) {
    this.#onProblem = onProblem
    this.#tellsLate = tellsLate
  }

  get healthy(): boolean {
    return !this.down
  }

  serve(): void {}

  bucket<T>(name: string, parse: (stored: unknown) => T, { known }: BucketOptions = {}): Bucket<T> {
    const entryOf = ({ value, revision }: Row): Entry<T> | undefined => {
      try {
        return { value: parse(value), revision }
      } catch (cause) {
        this.#onProblem(new Error(`${name}: a stored value cannot be read and counts as absent`, { cause }))
        return undefined
      }
    }
    const bucket: Bucket<T> = {
      get: async (key) => {
        this.#assertUp()
        this.reads += 1
        const row = this.#at(name, key)
        return row && entryOf(row)
      },
      put: async (key, value, options) => (await this.commit([bucket.putting(key, value, options)]))[0] ?? 0,
      delete: async (key, options) => (await this.commit([bucket.deleting(key, options)]))[0] !== 0,
      putting: (key, value, { expectedRevision, ttlMs } = {}) => {
        if (ttlMs !== undefined && !Number.isFinite(ttlMs)) throw new RangeError('ttlMs must be a finite number')
        const json = JSON.stringify(value) as string | undefined // undefined has no JSON
        if (json === undefined) throw new TypeError('undefined cannot be stored')
        if (json.length > 1024 * 1024) throw new RangeError('too large')
        return { type: 'put', bucket: name, key, json, expectedRevision, ttlMs, known }
      },
      deleting: (key, { expectedRevision } = {}) => ({ type: 'delete', bucket: name, key, expectedRevision }),
      page: async ({ after, limit, backward = false }) => {
        this.#assertUp()
        if (!Number.isInteger(limit) || limit < 1 || limit > 1000) throw new RangeError('1 to 1000')
        const order = (a: string, b: string): number =>
          Buffer.compare(Buffer.from(a), Buffer.from(b)) * (backward ? -1 : 1)
        const rows = this.#rowsOf(name).toSorted(([a], [b]) => order(a, b))
        const left = rows.filter(([key]) => after === undefined || order(key, after) > 0)
        const shown = left.slice(0, limit)
        const entries = shown.flatMap(([key, row]) => {
          const entry = entryOf(row)
          return entry ? [{ key, ...entry }] : []
        })
        return { entries, next: left.length > limit ? shown.at(-1)?.[0] : undefined }
      },
      watch: async (listener: (change: Change<T>) => void, { signal }) => {
        this.#assertUp()
        signal.throwIfAborted()
        const tell = (key: string, row: Row | undefined, revision: number): void => {
          const entry = row && entryOf(row)
          try {
            listener({ key, value: entry?.value, ...(row && !entry && { unreadable: true }), revision })
          } catch (cause) {
            this.#onProblem(new Error(`a listener of ${name} failed`, { cause }))
          }
        }
        for (const [key, row] of this.#rowsOf(name)) tell(key, row, row.revision)
        const watcher = { bucket: name, tell }
        this.#watchers.add(watcher)
        signal.addEventListener('abort', () => this.#watchers.delete(watcher))
      },
    }
    return bucket
  }

  async commit(writes: readonly Write[]): Promise<number[]> {
    this.#assertUp()
    if (writes.length > 500) throw new RangeError('a commit is too large')
    if (new Set(writes.map(({ bucket, key }) => JSON.stringify([bucket, key]))).size < writes.length)
      throw new TypeError('a commit writes to one key twice')
    for (const { bucket, key, expectedRevision } of writes) {
      const revision = this.#at(bucket, key)?.revision ?? 0
      if (expectedRevision !== undefined && expectedRevision !== revision) throw new StoreConflict(bucket, key)
    }
    const puts = writes.filter(({ type }) => type === 'put').length
    if (this.failPutsAfter !== undefined && puts > this.failPutsAfter)
      throw new StoreUnavailable('switched off by the test')
    if (this.failPutsAfter !== undefined) this.failPutsAfter -= puts
    return writes.map((write) => this.#run(write))
  }

  async close(): Promise<void> {
    this.down = true
    for (const timer of this.#expiries) clearTimeout(timer)
  }

  #run(write: Write): number {
    const { bucket, key } = write
    const path = pathOf(bucket, key)
    if (write.type === 'delete') return this.rows.delete(path) ? this.#tell(bucket, key, undefined) : 0
    const { json, known, ttlMs } = write
    this.writes += 1
    const before = this.#at(bucket, key)
    const kept = known && before ? keepUnknown(JSON.stringify(before.value), json, known) : json
    const expiry = ttlMs !== undefined && { expiresAt: Date.now() + ttlMs }
    const row: Row = { value: JSON.parse(kept), revision: this.#revision + 1, ...expiry }
    this.rows.set(path, row)
    if (ttlMs !== undefined && ttlMs < 60_000) this.#expire(bucket, key, row, ttlMs)
    return this.#tell(bucket, key, row)
  }

  #expire(bucket: string, key: string, row: Row, ttlMs: number): void {
    const timer = setTimeout(() => {
      this.#expiries.delete(timer)
      if (this.rows.get(pathOf(bucket, key)) !== row) return
      this.rows.delete(pathOf(bucket, key))
      this.#tell(bucket, key, undefined)
    }, ttlMs)
    this.#expiries.add(timer.unref())
  }

  #tell(bucket: string, key: string, row: Row | undefined): number {
    const revision = ++this.#revision
    for (const watcher of this.#watchers) {
      if (watcher.bucket !== bucket) continue
      if (this.#tellsLate) setImmediate(() => watcher.tell(key, row, revision))
      else watcher.tell(key, row, revision)
    }
    return revision
  }

  #at(bucket: string, key: string): Row | undefined {
    const row = this.rows.get(pathOf(bucket, key))
    return row && isLive(row) ? row : undefined
  }

  #rowsOf(bucket: string): [string, Row][] {
    const prefix = pathOf(bucket, '')
    const all = [...this.rows].filter(([path, row]) => path.startsWith(prefix) && isLive(row))
    return all.map(([path, row]) => [path.slice(prefix.length), row])
  }

  #assertUp(): void {
    if (this.down) throw new StoreUnavailable('switched off by the test')
  }
}

function pathOf(bucket: string, key: string): string {
  return `${bucket}/${key}`
}

function isLive({ expiresAt = Number.POSITIVE_INFINITY }: Row): boolean {
  return Date.now() < expiresAt
}

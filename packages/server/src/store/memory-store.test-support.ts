// An engine of the store in memory, for tests: it can be switched off. It passes the suite of store-contract.test-support.ts.

import { checkWrites, EngineBucket } from './engine.ts'
import type { Engine, Row } from './engine.ts'
import { keepUnknown } from './keep-unknown.ts'
import { StoreConflict, StoreUnavailable } from './store.ts'
import type { Bucket, BucketOptions, PageOptions, Store, StoreListeners, Write } from './store.ts'

interface Stored {
  value: unknown
  revision: number
  expiresAt?: number
}

interface Watcher {
  bucket: string
  tell: (row: Row) => void
}

export class MemoryStore implements Store {
  down = false
  /** The number of puts that still succeed; undefined for all. */
  failPutsAfter: number | undefined
  writes = 0
  reads = 0
  /** By bucket/key. */
  readonly rows = new Map<string, Stored>()
  readonly #watchers = new Set<Watcher>()
  readonly #expiries = new Set<NodeJS.Timeout>()
  readonly #onProblem: (problem: Error) => void
  readonly #tellsLate: boolean
  readonly #engine: Engine = {
    get: async (bucket, key) => {
      this.#assertUp()
      this.reads += 1
      return this.#at(bucket, key)
    },
    page: async (bucket, options) => this.#page(bucket, options),
    watch: async (bucket, signal, tell) => this.#watch(bucket, signal, tell),
    commit: (writes) => this.commit(writes),
    onProblem: (problem) => this.#onProblem(problem),
  }
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

  look(): void {} // it has told everything

  serve(): void {}

  bucket<T>(name: string, parse: (stored: unknown) => T, options: BucketOptions = {}): Bucket<T> {
    return new EngineBucket(this.#engine, name, parse, options)
  }

  async commit(writes: readonly Write[]): Promise<number[]> {
    this.#assertUp()
    checkWrites(writes)
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

  #page(bucket: string, { after, limit, backward = false }: PageOptions): Row[] {
    this.#assertUp()
    const order = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b)) * (backward ? -1 : 1)
    const rows = this.#rowsOf(bucket).toSorted((a, b) => order(a.key, b.key))
    return rows.filter(({ key }) => after === undefined || order(key, after) > 0).slice(0, limit)
  }

  #watch(bucket: string, signal: AbortSignal, listener: (row: Row) => void): void {
    this.#assertUp()
    signal.throwIfAborted()
    const tell = (row: Row): void => {
      try {
        listener(row)
      } catch (cause) {
        this.#onProblem(new Error(`a listener of ${bucket} failed`, { cause }))
      }
    }
    for (const row of this.#rowsOf(bucket)) tell(row)
    const watcher = { bucket, tell }
    this.#watchers.add(watcher)
    signal.addEventListener('abort', () => this.#watchers.delete(watcher))
  }

  #run(write: Write): number {
    const { bucket, key } = write
    const path = pathOf(bucket, key)
    if (write.type === 'delete') return this.rows.delete(path) ? this.#tell(bucket, key, null) : 0
    const { json, known, ttlMs } = write
    this.writes += 1
    const kept = known ? keepUnknown(this.#at(bucket, key)?.json, json, known) : json
    const expiry = ttlMs !== undefined && { expiresAt: Date.now() + ttlMs }
    const stored: Stored = { value: JSON.parse(kept), revision: this.#revision + 1, ...expiry }
    this.rows.set(path, stored)
    if (ttlMs !== undefined && ttlMs < 60_000) this.#expire(bucket, key, stored, ttlMs)
    return this.#tell(bucket, key, kept)
  }

  #expire(bucket: string, key: string, stored: Stored, ttlMs: number): void {
    const timer = setTimeout(() => {
      this.#expiries.delete(timer)
      if (this.rows.get(pathOf(bucket, key)) !== stored) return
      this.rows.delete(pathOf(bucket, key))
      this.#tell(bucket, key, null)
    }, ttlMs)
    this.#expiries.add(timer.unref())
  }

  #tell(bucket: string, key: string, json: string | null): number {
    const row = { bucket, key, json, revision: ++this.#revision }
    for (const watcher of this.#watchers) {
      if (watcher.bucket !== bucket) continue
      if (this.#tellsLate) setImmediate(() => watcher.tell(row))
      else watcher.tell(row)
    }
    return row.revision
  }

  #at(bucket: string, key: string): Row | undefined {
    const stored = this.rows.get(pathOf(bucket, key))
    return stored && isLive(stored) ? rowOf(bucket, key, stored) : undefined
  }

  #rowsOf(bucket: string): Row[] {
    const prefix = pathOf(bucket, '')
    const all = [...this.rows].filter(([path, stored]) => path.startsWith(prefix) && isLive(stored))
    return all.map(([path, stored]) => rowOf(bucket, path.slice(prefix.length), stored))
  }

  #assertUp(): void {
    if (this.down) throw new StoreUnavailable('switched off by the test')
  }
}

function rowOf(bucket: string, key: string, { value, revision }: Stored): Row {
  return { bucket, key, json: JSON.stringify(value), revision }
}

function pathOf(bucket: string, key: string): string {
  return `${bucket}/${key}`
}

function isLive({ expiresAt = Number.POSITIVE_INFINITY }: Stored): boolean {
  return Date.now() < expiresAt
}

// The embedded store: one SQLite file, kept by a worker thread (sqlite-worker.ts). Operations of one turn travel as one
// batch and become one transaction; while the disk is busy, the next ones wait here.

import { Worker } from 'node:worker_threads'

import { ConfigError } from '../errors.ts'
import { type Bucket, type Change, type Store, StoreConflict, StoreUnavailable } from './store.ts'
import type { FromWorker, Operation, Result, Row, ToWorker } from './worker-messages.ts'

const QUEUE_MAX_OPERATIONS = 20_000 // minutes of a stalled disk at a busy relay; later callers are told at once
const BATCH_MAX_OPERATIONS = 500 // keeps the file locked for milliseconds only
const JSON_MAX_CHARS = 1024 * 1024
const CLOSE_DEADLINE_MS = 15_000 // three times the busy timeout

export interface SqliteStoreOptions {
  path: string
  /** Told once for each failure that no caller hears of: trouble on the disk, or a stored value that cannot be read. */
  onProblem?: (problem: Error) => void
}

/** @throws ConfigError where the file cannot be used, with a sentence for the operator */
export async function openSqliteStore({ path, onProblem }: SqliteStoreOptions): Promise<Store> {
  const store = new SqliteStore(onProblem ?? (() => {}))
  await store.open(path)
  return store
}

interface Waiting {
  operation: Operation
  /** Called in the turn in which the answer arrives, so that no change can come between. */
  settle: (result: Result) => void
  fail: (error: Error) => void
}

interface Watcher {
  bucket: string
  tell: (row: Row) => void
  /** What arrives before the snapshot waits here; undefined afterwards. */
  early: Row[] | undefined
}

class SqliteStore implements Store {
  readonly #onProblem: (problem: Error) => void
  readonly #watchers = new Set<Watcher>()
  #worker: Worker | undefined
  #queue: Waiting[] = []
  #underway: Waiting[] = []
  #flushing = false
  #healthy = true
  #gone: StoreUnavailable | undefined
  #closed: Promise<void> | undefined
  #idle = Promise.withResolvers<void>()

  constructor(onProblem: (problem: Error) => void) {
    this.#onProblem = onProblem
  }

  get healthy(): boolean {
    return this.#healthy
  }

  async open(path: string): Promise<void> {
    // The file beside this one: .ts in the repository, .js in dist.
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
    const worker = new Worker(new URL(`./sqlite-worker.${extension}`, import.meta.url), {
      workerData: { path },
      execArgv: [], // ours may say --eval or --input-type, which are not meant for it
    })
    this.#worker = worker
    const ready = Promise.withResolvers<void>()
    worker.on('message', (message: FromWorker) => {
      if (message.type === 'ready') ready.resolve()
      else if (message.type === 'refused') ready.reject(new ConfigError([{ path: 'store', message: message.reason }]))
      else this.#receive(message)
    })
    const lose = (lost: StoreUnavailable) => {
      ready.reject(lost)
      this.#lose(lost)
    }
    worker.on('error', (error) => lose(new StoreUnavailable('its thread failed', { cause: error })))
    worker.on('exit', () => lose(new StoreUnavailable('its thread has ended')))
    await ready.promise
  }

  bucket<T>(name: string, parse: (stored: unknown) => T): Bucket<T> {
    const read = (row: Row): { value: T } | undefined => {
      if (row.json === null) return undefined
      try {
        return { value: parse(JSON.parse(row.json)) }
      } catch (error) {
        this.#onProblem(new Error(`${name}: a stored value cannot be read and counts as absent`, { cause: error }))
        return undefined
      }
    }

    return {
      get: async (key) => {
        const result = await this.#run({ type: 'get', bucket: name, key })
        const row = result.type === 'row' ? result.row : undefined
        const found = row && read(row)
        return found && row && { value: found.value, revision: row.revision }
      },

      put: async (key, value, { expectedRevision, ttlMs } = {}) => {
        if (ttlMs !== undefined && !Number.isFinite(ttlMs)) throw new RangeError('ttlMs must be a finite number')
        const json = jsonOf(value)
        const result = await this.#run({ type: 'put', bucket: name, key, json, expectedRevision, ttlMs })
        if (result.type !== 'revision') throw new StoreConflict(name, key)
        return result.revision
      },

      delete: async (key, { expectedRevision } = {}) => {
        const result = await this.#run({ type: 'delete', bucket: name, key, expectedRevision })
        if (result.type !== 'deleted') throw new StoreConflict(name, key)
        return result.existed
      },

      watch: (listener, { signal }) =>
        this.#watch(name, signal, (row) => {
          const change: Change<T> = { key: row.key, value: read(row)?.value, revision: row.revision }
          listener(change)
        }),
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    const worker = this.#worker
    if (!worker || this.#gone) return
    const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
    const deadline = setTimeout(() => void worker.terminate(), CLOSE_DEADLINE_MS)
    try {
      if (this.#queue.length + this.#underway.length > 0) await this.#idle.promise
      this.#send({ type: 'close' })
      await ended
    } finally {
      clearTimeout(deadline)
      this.#watchers.clear()
    }
  }

  async #watch(bucket: string, signal: AbortSignal, tell: (row: Row) => void): Promise<void> {
    signal.throwIfAborted()
    // Heard from now on, so that nothing falls between the snapshot and the first change.
    const watcher: Watcher = { bucket, tell, early: [] }
    const stop = () => {
      this.#watchers.delete(watcher)
      if (![...this.#watchers].some((other) => other.bucket === bucket)) this.#send({ type: 'unwatch', bucket })
    }
    this.#watchers.add(watcher)
    signal.addEventListener('abort', stop, { once: true })
    try {
      await new Promise<void>((resolve, reject) => {
        const settle = (result: Result) => {
          if (result.type === 'snapshot') this.#tellSnapshot(watcher, result.rows, result.revision)
          resolve()
        }
        this.#enqueue({ operation: { type: 'snapshot', bucket }, settle, fail: reject })
      })
    } catch (error) {
      signal.removeEventListener('abort', stop)
      stop()
      throw error
    }
    signal.throwIfAborted()
  }

  #tellSnapshot(watcher: Watcher, rows: readonly Row[], revision: number): void {
    const later = watcher.early?.filter((row) => row.revision > revision) ?? []
    watcher.early = undefined
    for (const row of [...rows, ...later]) this.#tell(watcher, row)
  }

  #run(operation: Operation): Promise<Result> {
    return new Promise((resolve, reject) => this.#enqueue({ operation, settle: resolve, fail: reject }))
  }

  #enqueue(waiting: Waiting): void {
    if (this.#gone) return waiting.fail(this.#gone)
    if (this.#closed) return waiting.fail(new StoreUnavailable('it is closed'))
    if (this.#queue.length >= QUEUE_MAX_OPERATIONS) {
      return waiting.fail(new StoreUnavailable('too many operations are waiting for the disk'))
    }
    this.#queue.push(waiting)
    if (this.#flushing || this.#underway.length > 0) return
    this.#flushing = true
    queueMicrotask(() => this.#flush())
  }

  #flush(): void {
    this.#flushing = false
    if (this.#underway.length > 0) return
    if (this.#queue.length === 0) {
      this.#idle.resolve()
      this.#idle = Promise.withResolvers()
      return
    }
    this.#underway = this.#queue.splice(0, BATCH_MAX_OPERATIONS)
    this.#send({ type: 'batch', operations: this.#underway.map(({ operation }) => operation) })
  }

  #receive(message: Exclude<FromWorker, { type: 'ready' | 'refused' }>): void {
    switch (message.type) {
      case 'results': {
        const answered = this.#underway
        this.#underway = []
        for (const [index, waiting] of answered.entries()) {
          const result = message.results[index]
          if (result) waiting.settle(result)
        }
        return this.#flush()
      }
      case 'batch_failed': {
        const failed = this.#underway
        this.#underway = []
        for (const waiting of failed) waiting.fail(new StoreUnavailable(message.reason))
        return this.#flush()
      }
      case 'changes':
        for (const row of message.rows) {
          for (const watcher of this.#watchers) {
            if (watcher.bucket !== row.bucket) continue
            if (watcher.early) watcher.early.push(row)
            else this.#tell(watcher, row)
          }
        }
        return
      case 'health':
        this.#healthy = message.problem === undefined
        if (message.problem !== undefined) this.#onProblem(new StoreUnavailable(message.problem))
    }
  }

  // A listener that throws must not keep the others from hearing.
  #tell(watcher: Watcher, row: Row): void {
    if (!this.#watchers.has(watcher)) return // ended by an earlier row
    try {
      watcher.tell(row)
    } catch (error) {
      this.#onProblem(new Error(`a listener of ${watcher.bucket} failed`, { cause: error }))
    }
  }

  #lose(reason: StoreUnavailable): void {
    if (this.#gone) return
    this.#gone = reason
    this.#healthy = false
    for (const waiting of [...this.#underway, ...this.#queue]) waiting.fail(reason)
    this.#underway = []
    this.#queue = []
    this.#idle.resolve()
    if (!this.#closed) this.#onProblem(reason)
  }

  #send(message: ToWorker): void {
    this.#worker?.postMessage(message)
  }
}

function jsonOf(value: unknown): string {
  const json = JSON.stringify(value) as string | undefined // undefined has no JSON
  if (json === undefined) throw new TypeError('undefined cannot be stored; delete the key instead')
  if (json.length > JSON_MAX_CHARS)
    throw new RangeError(`a value of ${json.length} characters is too large to be stored`)
  return json
}

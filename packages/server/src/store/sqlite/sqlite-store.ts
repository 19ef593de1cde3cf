// The embedded store: one SQLite file. This thread reads it, which in WAL mode waits for no writer; a separate thread
// writes it (sqlite-worker.ts), because a write may wait for a lock or a slow disk. That thread starts with the first
// write that could delay a visitor: commands, and a relay without sign-ins, save its 15 MB. Writes of one turn travel
// as one batch and become one transaction; while the disk is busy, the next ones wait here.

import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'

import { ConfigError } from '../../errors.ts'
import { lossOf, noteOpenedFiles, type OpenedFiles } from './opened-files.ts'
import { fileProblem, isBusy, prepareFile } from './sqlite-file.ts'
import { SqliteReader } from './sqlite-reader.ts'
import { SqliteWriter } from './sqlite-writer.ts'
import { checkWrites, EngineBucket } from '../engine.ts'
import type { Engine, Row } from '../engine.ts'
import { StoreTroubles } from '../store-troubles.ts'
import type { Bucket, BucketOptions, Store, StoreListeners, Write } from '../store.ts'
import { COMMIT_MAX_WRITES, StoreConflict, StoreUnavailable, WATCH_INTERVAL_MS } from '../store.ts'
import type { Commit, FromWorker, Result, ToWorker } from './worker-messages.ts'

const QUEUE_MAX_COMMITS = 20_000 // minutes of a stalled disk at a busy relay; later callers fail at once
const BATCH_MAX_WRITES = COMMIT_MAX_WRITES // keeps the file locked for milliseconds only
const CLOSE_DEADLINE_MS = 15_000 // three times the busy timeout
const SWEEP_INTERVAL_MS = 1000
const LOOK_INTERVAL_MS = 1000 // a person who has deleted the file should learn of it while they remember
const BUSY_RETRIES = 100 // a reader finds the file busy only while it recovers from a crash
const BUSY_RETRY_MS = 20

/** @throws ConfigError if the file cannot be used, with a sentence for the operator */
export async function openSqliteStore(path: string, listeners: StoreListeners = {}): Promise<Store> {
  try {
    prepareFile(path)
    return new SqliteStore(path, listeners)
  } catch (error) {
    throw new ConfigError([{ path: 'store', message: fileProblem(error, path) }], { cause: error })
  }
}

interface Waiting {
  writes: Commit
  /** Called in the turn in which the answer arrives, after the watches were called. */
  settle: (result: Result) => void
  fail: (error: Error) => void
}

interface Watcher {
  bucket: string
  tell: (row: Row) => void
  /** The revision of its snapshot: older changes have been reported. */
  since: number
}

class SqliteStore implements Store {
  readonly #path: string
  readonly #onProblem: (problem: Error) => void
  readonly #onLoss: (loss: string | undefined) => void
  readonly #reader: SqliteReader
  readonly #files: OpenedFiles
  readonly #watchers = new Set<Watcher>()
  readonly #timers: NodeJS.Timeout[]
  readonly #engine: Engine = {
    get: (bucket, key) => this.#read(() => this.#reader.get(bucket, key, Date.now())),
    page: (bucket, options) => this.#read(() => this.#reader.page(bucket, Date.now(), options)),
    watch: (bucket, signal, tell) => this.#watch(bucket, signal, tell),
    commit: (writes) => this.commit(writes),
    onProblem: (problem) => this.#onProblem(problem),
  }
  #dataVersion: number
  /** Every change up to this revision has been reported. */
  #told: number
  /** Writes in this thread while no visitors are served. */
  #writer: SqliteWriter | undefined
  #isServing = false
  #worker: Worker | undefined
  #queue: Waiting[] = []
  #underway: Waiting[] = []
  #flushing = false
  #sweeping = false
  readonly #troubles: StoreTroubles<'read' | 'write' | 'file'>
  #closed: Promise<void> | undefined
  #idle = Promise.withResolvers<void>()

  /** @throws an error for fileProblem() */
  constructor(path: string, { onProblem = ignore, onRecovery = ignore, onLoss = ignore }: StoreListeners) {
    this.#path = path
    this.#onProblem = onProblem
    this.#onLoss = onLoss
    this.#troubles = new StoreTroubles({
      onBegin: (problem) => onProblem(new StoreUnavailable(problem)),
      onEnd: onRecovery,
    })
    this.#reader = new SqliteReader(path)
    this.#dataVersion = this.#reader.dataVersion()
    this.#told = this.#reader.revision()
    this.#files = noteOpenedFiles(path)
    this.#timers = [
      setInterval(() => this.#lookForOthers(), WATCH_INTERVAL_MS),
      setInterval(() => this.#sweep(), SWEEP_INTERVAL_MS),
      setInterval(() => this.#lookForFile(), LOOK_INTERVAL_MS),
    ]
  }

  get healthy(): boolean {
    return !this.#closed && this.#troubles.isEmpty
  }

  bucket<T>(name: string, parse: (stored: unknown) => T, options: BucketOptions = {}): Bucket<T> {
    return new EngineBucket(this.#engine, name, parse, options)
  }

  async commit(writes: readonly Write[]): Promise<number[]> {
    checkWrites(writes)
    if (writes.length === 0) return []
    const result = await new Promise<Result>((settle, fail) => this.#enqueue({ writes, settle, fail }))
    if (result.type === 'revisions') return result.revisions
    const { bucket, key } = writes[result.index] ?? { bucket: '', key: '' }
    throw new StoreConflict(bucket, key)
  }

  look(): void {
    if (!this.#closed) this.#lookForOthers()
  }

  serve(): void {
    this.#isServing = true
    this.#writer?.close()
    this.#writer = undefined
  }

  close(): Promise<void> {
    return (this.#closed ??= this.#close())
  }

  async #close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer)
    this.#troubles.close()
    if (this.#queue.length + this.#underway.length > 0) await withDeadline(this.#idle.promise)
    const worker = this.#worker
    if (worker) {
      const ended = once(worker, 'exit')
      this.#send({ type: 'close' })
      await withDeadline(ended)
      await worker.terminate()
    }
    this.#watchers.clear()
    this.#writer?.close()
    this.#reader.close()
  }

  // ── reading ──

  /** Reads once the file lets us. @throws StoreUnavailable */
  async #read<T>(read: () => T): Promise<T> {
    for (let retries = 0; ; retries++) {
      if (this.#closed) throw new StoreUnavailable('it is closed')
      try {
        return read()
      } catch (error) {
        if (!isBusy(error) || retries === BUSY_RETRIES)
          throw new StoreUnavailable(fileProblem(error, this.#path), { cause: error })
      }
      await delay(BUSY_RETRY_MS)
    }
  }

  async #watch(bucket: string, signal: AbortSignal, tell: (row: Row) => void): Promise<void> {
    signal.throwIfAborted()
    const watcher: Watcher = { bucket, tell, since: Number.POSITIVE_INFINITY }
    this.#watchers.add(watcher)
    const stop = (): void => void this.#watchers.delete(watcher)
    signal.addEventListener('abort', stop, { once: true })
    try {
      // Nothing can come between the snapshot and the first change: this thread reports both, by revision.
      await this.#read(() => {
        watcher.since = this.#reader.all(bucket, Date.now(), (row) => this.#tell(watcher, row))
      })
    } catch (error) {
      signal.removeEventListener('abort', stop)
      stop()
      throw error
    }
    signal.throwIfAborted()
  }

  #lookForOthers(): void {
    try {
      const dataVersion = this.#reader.dataVersion()
      // After a failed read there may be more changes than data_version shows.
      if (dataVersion !== this.#dataVersion || this.#troubles.get('read') !== undefined) this.#tellChanges()
      this.#dataVersion = dataVersion
      this.#troubles.set('read', undefined)
    } catch (error) {
      // A busy file is not a problem, because the next check reports the change.
      if (!isBusy(error)) this.#troubles.set('read', fileProblem(error, this.#path))
    }
  }

  #lookForFile(): void {
    const loss = lossOf(this.#files)
    if (loss === this.#troubles.get('file')) return
    this.#troubles.set('file', loss)
    this.#onLoss(loss)
  }

  #tellChanges(): void {
    for (;;) {
      const rows = this.#reader.changesAfter(this.#told)
      for (const row of rows) {
        this.#told = row.revision
        for (const watcher of this.#watchers) {
          if (watcher.bucket === row.bucket && row.revision > watcher.since) this.#tell(watcher, row)
        }
      }
      if (rows.length === 0) return
    }
  }

  // An exception of one listener must not keep the others from their calls.
  #tell(watcher: Watcher, row: Row): void {
    if (!this.#watchers.has(watcher)) return // ended by an earlier row
    try {
      watcher.tell(row)
    } catch (error) {
      this.#onProblem(new Error(`a listener of ${watcher.bucket} failed`, { cause: error }))
    }
  }

  // ── writing ──

  #enqueue(waiting: Waiting): void {
    if (this.#closed) return waiting.fail(new StoreUnavailable('it is closed'))
    if (this.#queue.length >= QUEUE_MAX_COMMITS)
      return waiting.fail(new StoreUnavailable('too many writes are waiting for the disk'))
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
    this.#underway = this.#queue.splice(0, batchOf(this.#queue))
    const commits = this.#underway.map(({ writes }) => writes)
    if (this.#isServing) this.#send({ type: 'batch', commits })
    else this.#receive(this.#writeHere(commits))
  }

  #writeHere(commits: Commit[]): FromWorker {
    try {
      this.#writer ??= new SqliteWriter(this.#files)
      return { type: 'results', results: this.#writer.run(commits, Date.now()) }
    } catch (error) {
      return { type: 'batch_failed', reason: fileProblem(error, this.#path) }
    }
  }

  #sweep(): void {
    try {
      if (!this.#isServing || this.#sweeping || !this.#reader.hasOverdue(Date.now())) return
      this.#sweeping = true
      this.#send({ type: 'sweep' })
    } catch {
      // #lookForOthers() reads the same file five times a second, and reports the problem.
    }
  }

  #receive(message: FromWorker): void {
    switch (message.type) {
      case 'results': {
        const answered = this.#underway
        this.#underway = []
        // Changes go first: a caller who waits for a write finds it in every watch.
        this.#lookForOthers()
        for (const [index, waiting] of answered.entries()) {
          const result = message.results[index]
          if (result) waiting.settle(result)
        }
        return this.#flush()
      }
      case 'batch_failed':
        this.#lookForFile() // often the reason
        this.#failUnderway(new StoreUnavailable(message.reason))
        return this.#flush()
      case 'swept':
        this.#sweeping = false
        return this.#lookForOthers()
      case 'health':
        return this.#troubles.set('write', message.problem)
    }
  }

  #failUnderway(reason: StoreUnavailable): void {
    const failed = this.#underway
    this.#underway = []
    for (const waiting of failed) waiting.fail(reason)
  }

  #send(message: ToWorker): void {
    this.#worker ??= this.#startWorker()
    this.#worker.postMessage(message)
  }

  #startWorker(): Worker {
    // The file beside this one: .ts in the repository, .js in dist.
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
    const worker = new Worker(new URL(`./sqlite-worker.${extension}`, import.meta.url), {
      workerData: this.#files,
      execArgv: [], // ours may say --eval or --input-type, which are not meant for it
    })
    worker.on('message', (message: FromWorker) => this.#receive(message))
    // The next write replaces a dead thread; its unanswered writes have failed.
    let cause: unknown
    worker.on('error', (error) => (cause = error))
    worker.on('exit', () => {
      this.#worker = undefined
      this.#sweeping = false
      this.#troubles.set('write', undefined)
      if (this.#closed && this.#underway.length === 0) return
      const lost = new StoreUnavailable('its thread has ended', { cause })
      this.#onProblem(lost)
      this.#failUnderway(lost)
      this.#flush()
    })
    return worker
  }
}

/** Waits no longer than a slow disk may take. */
async function withDeadline(ended: Promise<unknown>): Promise<void> {
  const deadline = new AbortController()
  await Promise.race([ended, delay(CLOSE_DEADLINE_MS, undefined, { signal: deadline.signal })])
  deadline.abort()
}

/** How many commits of the queue the next batch takes. */
function batchOf(queue: readonly Waiting[]): number {
  let count = 0
  for (let size = 0; count < queue.length; count++) {
    size += queue[count]?.writes.length ?? 0
    if (size > BATCH_MAX_WRITES) break
  }
  return count
}

function ignore(): void {
  // The error is not needed.
}

// The thread that owns the SQLite file, so that a slow disk or a lock never holds up a visitor. Started by
// sqlite-store.ts; knows operations and rows, not what they mean.

import { WATCH_INTERVAL_MS } from './store.ts'
import { parentPort, workerData } from 'node:worker_threads'

import type { SqliteFile } from './sqlite-file.ts'
import type { FromWorker, Operation, Result, ToWorker } from './worker-messages.ts'

const SWEEP_INTERVAL_MS = 1000
const PRUNE_INTERVAL_MS = 3_600_000

const { path } = workerData as { path: string } // set by sqlite-store.ts
const port = parentPort
if (!port) throw new Error('sqlite-worker.ts runs as a worker only')

// node:sqlite calls itself experimental on every start, which tells an operator nothing.
process.removeAllListeners('warning')
const { SqliteFile: File, fileProblem } = await import('./sqlite-file.ts')

let file: SqliteFile
try {
  file = new File(path)
} catch (error) {
  say({ type: 'refused', reason: fileProblem(error, path) })
  process.exit()
}

const watched = new Set<string>()
let lastRevision = file.revision()
let dataVersion = file.dataVersion()
// Kept apart: on a full disk everything can still be read.
const problems: { read?: string; write?: string } = {}
let reported: string | undefined

const timers = [
  setInterval(lookForOthers, WATCH_INTERVAL_MS),
  setInterval(sweep, SWEEP_INTERVAL_MS),
  setInterval(() => guarded('write', () => file.prune(Date.now())), PRUNE_INTERVAL_MS),
]

port.on('message', (message: ToWorker) => {
  switch (message.type) {
    case 'batch':
      return runBatch(message.operations)
    case 'unwatch':
      watched.delete(message.bucket)
      return
    case 'close':
      for (const timer of timers) clearInterval(timer)
      file.close()
      port.close()
  }
})
say({ type: 'ready' })

function runBatch(operations: Operation[]): void {
  const kind = operations.some(({ type }) => type === 'put' || type === 'delete') ? 'write' : 'read'
  for (const { type, bucket } of operations) {
    if (type === 'snapshot') watched.add(bucket)
  }
  let results: Result[] = []
  const reason = guarded(kind, () => (results = file.run(operations, Date.now())))
  if (reason !== undefined) return say({ type: 'batch_failed', reason })
  // Changes go first: who waits for a write finds it in every watch.
  guarded('read', tellChanges)
  say({ type: 'results', results })
}

function lookForOthers(): void {
  guarded('read', () => {
    const current = file.dataVersion()
    // Where telling has failed once, there is more to tell than data_version shows.
    if (current === dataVersion && problems.read === undefined) return
    tellChanges()
    dataVersion = current
  })
}

function sweep(): void {
  if (problems.write !== undefined) guarded('write', () => file.tryWriting())
  else guarded('sweep', () => file.sweep(Date.now()) && tellChanges())
}

function tellChanges(): void {
  for (;;) {
    const rows = file.changesAfter(lastRevision)
    const last = rows.at(-1)
    if (!last) return
    lastRevision = last.revision
    const wanted = rows.filter(({ bucket }) => watched.has(bucket))
    if (wanted.length > 0) say({ type: 'changes', rows: wanted })
  }
}

/** Runs it, and tells the main thread when health changes. Answers with the reason where it failed. */
function guarded(kind: 'read' | 'write' | 'sweep', work: () => unknown): string | undefined {
  let reason: string | undefined
  try {
    work()
    // A sweep mostly finds nothing to write, so its success says little.
    if (kind !== 'sweep') delete problems[kind]
  } catch (error) {
    reason = fileProblem(error, path)
    problems[kind === 'sweep' ? 'write' : kind] = reason
  }
  const problem = problems.write ?? problems.read
  if (problem !== reported) {
    reported = problem
    say({ type: 'health', problem })
  }
  return reason
}

function say(message: FromWorker): void {
  port?.postMessage(message)
}

// The thread that owns the SQLite file, so that a slow disk or a lock never holds up a visitor. Started by
// sqlite-store.ts; knows operations and rows, not what they mean.

import { parentPort, workerData } from 'node:worker_threads'

import type { SqliteFile } from './sqlite-file.ts'
import type { FromWorker, Operation, ToWorker } from './worker-messages.ts'

const POLL_INTERVAL_MS = 200 // how late a write of another process may be seen
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
let problem: string | undefined

const timers = [
  setInterval(() => guarded(lookForOthers), POLL_INTERVAL_MS),
  setInterval(() => guarded(() => file.sweep(Date.now()) && tellChanges()), SWEEP_INTERVAL_MS),
  setInterval(() => guarded(() => file.prune(Date.now())), PRUNE_INTERVAL_MS),
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
  try {
    const results = file.run(operations, Date.now())
    for (const { type, bucket } of operations) {
      if (type === 'snapshot') watched.add(bucket)
    }
    // Changes go first: who waits for a write finds it in every watch.
    tellChanges()
    say({ type: 'results', results })
    setProblem(undefined)
  } catch (error) {
    const reason = fileProblem(error, path)
    say({ type: 'batch_failed', reason })
    setProblem(reason)
  }
}

function lookForOthers(): void {
  const current = file.dataVersion()
  if (current === dataVersion) return
  dataVersion = current
  tellChanges()
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

function guarded(work: () => unknown): void {
  try {
    work()
    setProblem(undefined)
  } catch (error) {
    setProblem(fileProblem(error, path))
  }
}

function setProblem(found: string | undefined): void {
  if (found === problem) return
  problem = found
  say({ type: 'health', problem })
}

function say(message: FromWorker): void {
  port?.postMessage(message)
}

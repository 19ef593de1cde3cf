// The thread that writes the SQLite file, so that a slow disk or a lock never delays a visitor. Started by
// sqlite-store.ts with the first write; it knows writes, but not their meaning.

import { parentPort, workerData } from 'node:worker_threads'

import type { OpenedFiles } from './opened-files.ts'
import { fileProblem } from './sqlite-file.ts'
import { SqliteWriter } from './sqlite-writer.ts'
import type { FromWorker, Result, ToWorker } from './worker-messages.ts'

const TRY_AGAIN_INTERVAL_MS = 1000

const files = workerData as OpenedFiles // set by sqlite-store.ts
const port = parentPort
if (!port) throw new Error('sqlite-worker.ts runs as a worker only')

let writer: SqliteWriter | undefined
let problem: string | undefined
let tryAgain: NodeJS.Timeout | undefined

port.on('message', (message: ToWorker) => {
  switch (message.type) {
    case 'batch': {
      let results: Result[] = []
      const reason = guarded((open) => (results = open.run(message.commits, Date.now())))
      return say(reason === undefined ? { type: 'results', results } : { type: 'batch_failed', reason })
    }
    case 'sweep':
      guarded((open) => open.sweep(Date.now()))
      return say({ type: 'swept' })
    case 'close':
      clearInterval(tryAgain)
      writer?.close()
      port.close()
  }
})

/** Runs a call, and informs the main thread when the store's health changes. Returns the reason of a failure. */
function guarded(work: (open: SqliteWriter) => unknown): string | undefined {
  let reason: string | undefined
  try {
    writer ??= new SqliteWriter(files)
    work(writer)
  } catch (error) {
    reason = fileProblem(error, files.path)
  }
  if (reason !== problem) {
    problem = reason
    say({ type: 'health', problem })
    clearInterval(tryAgain)
    if (problem !== undefined) tryAgain = setInterval(() => guarded((open) => open.tryWriting()), TRY_AGAIN_INTERVAL_MS)
  }
  return reason
}

function say(message: FromWorker): void {
  port?.postMessage(message)
}

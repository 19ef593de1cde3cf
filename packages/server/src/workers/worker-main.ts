// The entry of a worker's process. Only the supervisor starts it.

import { refuseDebugger } from '@sallyport/protocol/signals'
import { tuneForLoading } from '@sallyport/protocol/tune-v8'

refuseDebugger()
tuneForLoading()

const { runWorker } = await import('./worker.ts')
await runWorker()

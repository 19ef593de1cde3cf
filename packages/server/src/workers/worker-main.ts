// The entry of a worker's process. Only the supervisor starts it.

import { tuneForLoading } from '@sallyport/protocol/tune-v8'

tuneForLoading()

const { runWorker } = await import('./worker.ts')
await runWorker()

// The entry of a worker's process. Only the supervisor starts it.

import { ignoreUserSignals } from '@sallyport/protocol/signals'
import { tuneForLoading } from '@sallyport/protocol/tune-v8'
import { endWithOneLine } from '@sallyport/protocol/unforeseen'

const leaveUncaught = endWithOneLine('relay worker')
ignoreUserSignals()
tuneForLoading()

const { runWorker } = await import('./worker.ts')
await runWorker(leaveUncaught)

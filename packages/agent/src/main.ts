#!/usr/bin/env node
// The entry of the `agent` command, and of `sallyport` except for `sallyport relay`: everything else is in cli.ts, so
// that it can be imported without running.

import { ignoreUserSignals } from '@sallyport/protocol/signals'
import { tuneForLoading } from '@sallyport/protocol/tune-v8'
import { endWithOneLine } from '@sallyport/protocol/unforeseen'

import { AGENT_COMMAND } from './agent-command.ts'

endWithOneLine(AGENT_COMMAND)
ignoreUserSignals()
tuneForLoading()

const { runCli } = await import('./cli/cli.ts')

// Everything has been written; a socket that is still closing must not hold the process.
const exitCode = await runCli(process.argv.slice(2), process.env)
// A failed write is reported in a later turn.
await new Promise((resolve) => setImmediate(resolve))
process.exit(exitCode === 0 ? process.exitCode : exitCode)

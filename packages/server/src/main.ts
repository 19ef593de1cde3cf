#!/usr/bin/env node
// The `relay` command's entry.

import { ignoreUserSignals } from '@sallyport/protocol/signals'
import { tuneForLoading } from '@sallyport/protocol/tune-v8'
import { endWithOneLine } from '@sallyport/protocol/unforeseen'

const leaveUncaught = endWithOneLine('relay')
ignoreUserSignals()
tuneForLoading()

const { runCli } = await import('./cli/cli.ts')
await runCli(process.argv, leaveUncaught)

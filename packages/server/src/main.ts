#!/usr/bin/env node
// The `relay` command's entry.

import { refuseDebugger } from '@sallyport/protocol/signals'
import { tuneForLoading } from '@sallyport/protocol/tune-v8'

refuseDebugger()
tuneForLoading()

const { runCli } = await import('./cli/cli.ts')
await runCli(process.argv)

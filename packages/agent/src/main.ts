#!/usr/bin/env node
// The `agent` command's entry: everything else is in cli.ts, so that it can be imported without running.

import { tuneForLoading } from '@sallyport/protocol/tune-v8'

tuneForLoading()

const { runCli } = await import('./cli.ts')

// Log and output are written synchronously; a socket that is still closing must not hold the process.
process.exit(await runCli(process.argv.slice(2), process.env))

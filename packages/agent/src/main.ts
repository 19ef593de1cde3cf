#!/usr/bin/env node
// The `agent` command's entry: everything else is in cli.ts, so that it can be imported without running.

import { tuneHeap } from '@sallyport/protocol'

import { runCli } from './cli.ts'

tuneHeap()

// Log and output are written synchronously; a socket that is still closing must not hold the process.
process.exit(await runCli(process.argv.slice(2), process.env))

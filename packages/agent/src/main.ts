#!/usr/bin/env node
// The `agent` command's entry: everything else is in cli.ts, so that it can be imported without running.

import { refuseDebugger } from '@sallyport/protocol/signals'
import { tuneForLoading } from '@sallyport/protocol/tune-v8'

refuseDebugger()
tuneForLoading()

const { runCli } = await import('./cli.ts')

// Who has read enough (`agent http 3000 | head -1`) ends nothing.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})

// Everything is written by then; a socket that is still closing must not hold the process.
process.exit(await runCli(process.argv.slice(2), process.env))

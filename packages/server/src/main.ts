#!/usr/bin/env node
// The `relay` command's entry.

import { tuneForLoading } from '@sallyport/protocol/tune-v8'

tuneForLoading()

const { runCli } = await import('./cli/cli.ts')
await runCli(process.argv)

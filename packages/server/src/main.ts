#!/usr/bin/env node
// The `relay` command.

import { tuneHeap } from '@sallyport/protocol'

import { runCli } from './cli/cli.ts'

tuneHeap()

await runCli(process.argv)

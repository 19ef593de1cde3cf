#!/usr/bin/env node
// The `relay` command.

import { runCli } from './cli/cli.ts'

await runCli(process.argv)

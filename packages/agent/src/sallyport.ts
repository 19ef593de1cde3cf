#!/usr/bin/env node
// The entry of the `sallyport` command: `sallyport relay …` is the relay's command, if that is installed, everything
// else the agent's. It loads only one of the two.

import { relayEntry } from './cli/relay-entry.ts'

const WRONG_USAGE = 2

const [first, second, ...more] = process.argv.slice(2)
const wantsRelay = first === 'relay'
const wantsItsHelp = first === 'help' && second === 'relay'
if (wantsRelay || wantsItsHelp) {
  const entry = relayEntry(process.env['PATH'] ?? '')
  if (entry === undefined) {
    process.stderr.write(
      'sallyport: the relay is not installed here. Install its package, sallyport-server-VERSION.tgz, as you have installed this command.\n',
    )
    process.exitCode = WRONG_USAGE
  } else {
    process.argv.splice(2, Infinity, ...(wantsItsHelp ? ['help', ...more] : process.argv.slice(3)))
    await import(entry)
  }
} else {
  await import('./main.ts')
}

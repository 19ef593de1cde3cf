// The help of the command `sallyport` about the relay's commands. `sallyport relay …` itself does not get here: see
// sallyport.ts.

import { ConfigError } from '@sallyport/protocol/config-error'
import type { Command } from 'commander'

/**
 * Commands of people who leave out `relay`. `authtoken` and `start` are also ngrok's words, and have their sentences
 * there.
 */
const RELAY_WORDS = ['check', 'hash-password', 'oidc', 'service-token', 'session', 'status']

export const RELAY_EXAMPLES = `
  sallyport relay start
  sallyport relay authtoken create`

/** Adds `relay` to the help, and a sentence for its commands typed without `relay`. */
export function addRelayCommands(program: Command): void {
  program
    .command('relay [command]')
    .description('Start and manage a relay, if its package is installed, too.')
    .helpOption(false)
    .allowUnknownOption()
  for (const word of RELAY_WORDS) {
    program
      .command(word, { hidden: true })
      .helpOption(false)
      .allowUnknownOption()
      .allowExcessArguments()
      .action(() => {
        throw new ConfigError([
          { path: `sallyport ${word}`, message: `This is a command of the relay: sallyport relay ${word}` },
        ])
      })
  }
}

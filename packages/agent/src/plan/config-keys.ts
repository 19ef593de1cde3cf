// The keys of agent.yml: the values and the meaning of each. The parser knows only these, and docs/agent.md is made
// from them.

import { CONNECTIONS_MAX } from './agent-plan.ts'
import { LOG_FORMATS, LOG_LEVELS } from '../log-words.ts'
import type { ConfigFile } from './config-schema.ts'

/** Keys of the file, those inside a block with a dot before them. A type, so that no key can be forgotten here. */
type Path<File> = {
  [Key in keyof File & string]:
    | Key
    | (NonNullable<File[Key]> extends object ? `${Key}.${Path<NonNullable<File[Key]>>}` : never)
}[keyof File & string]

export interface ConfigKey {
  /** The values of the key, in Markdown. */
  takes: string
  meaning: string
}

export const CONFIG_KEYS: Readonly<Record<Path<Required<ConfigFile>>, ConfigKey>> = {
  version: { takes: '`1`', meaning: 'The version of this file; it may be left out.' },
  server: { takes: 'an address, like `https://relay.example.com`', meaning: 'The address of the relay.' },
  authtoken: {
    takes: 'text that begins with `sp_`',
    meaning: 'The credential of this agent at the relay: a secret. `agent config add-authtoken -` saves it here.',
  },
  ca: { takes: 'a file', meaning: "A further authority (PEM) for the relay's certificate." },
  proxy_url: {
    takes: 'an address, like `http://proxy.example.com:3128`',
    meaning: 'The HTTP proxy that leads to the relay.',
  },
  connections: {
    takes: `a number from 1 to ${CONNECTIONS_MAX}`,
    meaning: 'How many connections the agent keeps to the relay.',
  },
  log: { takes: 'a block', meaning: 'How much is logged, and how.' },
  'log.level': { takes: oneOf(LOG_LEVELS), meaning: 'How much is logged.' },
  'log.format': { takes: oneOf(LOG_FORMATS), meaning: 'How it is logged.' },
  secrets: {
    takes: 'names of vaults, and below each names and texts',
    meaning:
      "Secrets for `secrets.get('vault', 'name')` in the policies of this agent. `${NAME}` in a text is a variable of the environment. They are sent to the relay only with a policy that reads secrets.",
  },
}

/** The keys inside one block, or at the top if `block` is empty. */
export function keysIn(block: string): string[] {
  const start = block === '' ? '' : `${block}.`
  return Object.keys(CONFIG_KEYS)
    .filter((path) => path.startsWith(start))
    .map((path) => path.slice(start.length))
    .filter((key) => !key.includes('.'))
}

function oneOf(values: readonly string[]): string {
  return values.map((value) => `\`${value}\``).join(', ')
}

// How to type a command of ours on this machine. People paste the printed commands, so the shell must find them. Pure,
// except for the default values.

import { delimiter, join } from 'node:path'

import { isStartedAsSallyport } from '@sallyport/protocol/started-as'

const CLONE = join(import.meta.dirname, '../../../..')

export interface TypedCommand {
  words: string
  /** The folder in which it must be typed; undefined if that does not matter. */
  folder: string | undefined
}

interface Start {
  /** Whether this runs from the sources in a clone. */
  isClone?: boolean
  isSallyport?: boolean
}

/**
 * The words for either command on a machine whose shell finds them: `relay`, or `sallyport relay` if that was typed.
 */
export function plainCommand(name: 'relay' | 'agent', isSallyport: boolean = isStartedAsSallyport()): string {
  if (!isSallyport) return name
  return name === 'relay' ? 'sallyport relay' : 'sallyport'
}

/** @param name `relay` or `agent` */
export function typedCommand(
  name: 'relay' | 'agent',
  env: NodeJS.ProcessEnv,
  { isClone = import.meta.filename.endsWith('.ts'), isSallyport = isStartedAsSallyport() }: Start = {},
): TypedCommand {
  const plain = plainCommand(name, isSallyport)
  // A package manager puts the commands of a folder into the PATH of its own child processes only, not of a person's
  // next command.
  const manager = managerOf(env)
  if (!isClone) {
    if (manager === undefined) return { words: plain, folder: undefined }
    return {
      words: `${START[manager]} ${plain}`,
      folder: env.npm_config_local_prefix ?? env.PROJECT_CWD ?? env.INIT_CWD,
    }
  }
  const isFound = manager === undefined && foldersOf(env).includes(join(CLONE, 'node_modules/.bin'))
  return isFound ? { words: plain, folder: undefined } : { words: `${START.npm} ${plain}`, folder: CLONE }
}

/** How each starts a command of the folder. --no: before the set-up npx would otherwise fetch a stranger's package. */
const START = { npm: 'npx --no', pnpm: 'pnpm exec', yarn: 'yarn' } as const

/** The package manager that has started this process; undefined if a person has. */
function managerOf(env: NodeJS.ProcessEnv): keyof typeof START | undefined {
  const agent = env.npm_config_user_agent ?? ''
  if (agent.startsWith('yarn/')) return 'yarn'
  if (agent.startsWith('pnpm/')) return 'pnpm'
  return env.npm_command === undefined ? undefined : 'npm'
}

function foldersOf({ PATH = '' }: NodeJS.ProcessEnv): string[] {
  return PATH.split(delimiter).map((folder) => folder.replace(/\/$/, ''))
}

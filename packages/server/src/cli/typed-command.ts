// How a command of ours has to be typed on this machine. What the relay prints is pasted, so the shell must find it.
// Pure, but for the default values.

import { delimiter, join } from 'node:path'

import { isStartedAsSallyport } from '@sallyport/protocol/started-as'

const CLONE = join(import.meta.dirname, '../../../..')

export interface TypedCommand {
  words: string
  /** Where it has to be typed; undefined where that does not matter. */
  folder: string | undefined
}

interface Start {
  /** Whether this runs from the sources in a clone. */
  isClone?: boolean
  isSallyport?: boolean
}

/** The words for either command on a machine where the shell finds them: `relay`, or `sallyport relay` where that was typed. */
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
  // A package manager puts the commands of a folder into the PATH of what it starts, and of nothing that a person starts next.
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

/** How each starts a command of the folder. --no: or npx would fetch a package of somebody else where nothing is set up yet. */
const START = { npm: 'npx --no', pnpm: 'pnpm exec', yarn: 'yarn' } as const

/** The package manager that has started this process; undefined where a person has. */
function managerOf(env: NodeJS.ProcessEnv): keyof typeof START | undefined {
  const agent = env.npm_config_user_agent ?? ''
  if (agent.startsWith('yarn/')) return 'yarn'
  if (agent.startsWith('pnpm/')) return 'pnpm'
  return env.npm_command === undefined ? undefined : 'npm'
}

function foldersOf({ PATH = '' }: NodeJS.ProcessEnv): string[] {
  return PATH.split(delimiter).map((folder) => folder.replace(/\/$/, ''))
}

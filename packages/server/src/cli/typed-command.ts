// How a command of ours has to be typed on this machine. What the relay prints is pasted, so the shell must find it.
// Pure.

import { delimiter, join } from 'node:path'

const CLONE = join(import.meta.dirname, '../../../..')

export interface TypedCommand {
  words: string
  /** Where it has to be typed; undefined where that does not matter. */
  folder: string | undefined
}

/**
 * @param name `relay` or `agent`
 * @param isClone whether this runs from the sources in a clone; what is installed is found everywhere
 */
export function typedCommand(
  name: 'relay' | 'agent',
  env: NodeJS.ProcessEnv,
  isClone: boolean = import.meta.filename.endsWith('.ts'),
): TypedCommand {
  // npm and npx put the commands of the clone into the PATH of what they start, and of nothing that a person starts next.
  const isFound = env.npm_command === undefined && foldersOf(env).includes(join(CLONE, 'node_modules/.bin'))
  if (!isClone || isFound) return { words: name, folder: undefined }
  // --no: or it would fetch a package of somebody else by that name where nothing is set up yet.
  return { words: `npx --no ${name}`, folder: CLONE }
}

function foldersOf({ PATH = '' }: NodeJS.ProcessEnv): string[] {
  return PATH.split(delimiter).map((folder) => folder.replace(/\/$/, ''))
}

// Finds the relay's command, if its package is installed on this machine. The agent does not need that package. Only
// this file refers to it, by its name alone.

import { readFileSync, realpathSync } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

const ENTRY = '@sallyport/server/command'
const ENTRY_FILE = /[\\/]@sallyport[\\/]server[\\/]bin[\\/]relay\.cjs$/
/** pnpm writes a shell script instead of a link; its last line has the target. */
const SHIM_TARGET = /^# cmd-shim-target=(.+)$/m

/**
 * Beside this package, as npm puts it, or at the target of `relay` in PATH: pnpm gives each package that is installed
 * for a whole machine a folder of its own.
 * @param path as in the environment
 * @returns the URL of the relay's entry; undefined if it is not installed
 */
export function relayEntry(path: string): string | undefined {
  try {
    return import.meta.resolve(ENTRY)
  } catch {
    const file = path.split(delimiter).flatMap((folder) => (folder ? (targetOf(folder) ?? []) : []))[0]
    return file && pathToFileURL(file).href
  }
}

/** Another program called `relay` is not started. */
function targetOf(folder: string): string | undefined {
  try {
    const command = realpathSync(join(folder, 'relay'))
    const target = ENTRY_FILE.test(command) ? command : SHIM_TARGET.exec(readFileSync(command, 'utf8'))?.[1]
    return target && ENTRY_FILE.test(target) ? realpathSync(resolve(folder, target)) : undefined
  } catch {
    return undefined // not there, or not to be read
  }
}

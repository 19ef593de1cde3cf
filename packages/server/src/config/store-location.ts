// Where the store lives, from the `store` key or by default. Pure: no I/O, no clock.

import { homedir } from 'node:os'
import { isAbsolute, join, resolve } from 'node:path'

import type { StoreLocation } from './config.ts'

/**
 * @param written the `store` key after expansion, which schema.ts has checked; undefined for the default
 * @param folder where relative paths start: the folder of the configuration file
 */
export function storeLocation(written: string | undefined, folder: string, env: NodeJS.ProcessEnv): StoreLocation {
  if (written !== undefined) return { type: 'sqlite', path: resolve(folder, written.slice('sqlite:'.length)) }
  // XDG Base Directory Specification: relative paths in these variables are invalid and ignored.
  const dataHome = env['XDG_DATA_HOME']
  const dataFolder = dataHome && isAbsolute(dataHome) ? dataHome : join(env['HOME'] || homedir(), '.local', 'share')
  return { type: 'sqlite', path: join(dataFolder, 'sallyport', 'relay.db') }
}

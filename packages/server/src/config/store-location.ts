// The place of the store, from the `store` key or by default. Pure: no I/O, no clock.

import { homedir } from 'node:os'
import { basename, dirname, extname, isAbsolute, join, resolve } from 'node:path'

import { ConfigError } from '../errors.ts'
import type { StoreLocation } from './config.ts'

/**
 * @param written the `store` key after expansion, which schema.ts has checked; undefined for the default
 * @throws ConfigError if the default is needed and the user has no home
 * @param folder the start of relative paths: the folder of the configuration file
 */
export function storeLocation(written: string | undefined, folder: string, env: NodeJS.ProcessEnv): StoreLocation {
  if (written !== undefined) return { type: 'sqlite', path: resolve(folder, written.slice('sqlite:'.length)) }
  // XDG Base Directory Specification: relative paths in these variables are invalid and ignored.
  const dataHome = env['XDG_DATA_HOME']
  const dataFolder = dataHome && isAbsolute(dataHome) ? dataHome : join(env['HOME'] || homeOf(), '.local', 'share')
  return { type: 'sqlite', path: join(dataFolder, 'sallyport', 'relay.db') }
}

/** The socket at which a relay on this store answers its operator: `relay.sock` beside `relay.db`. */
export function operatorSocketOf(storePath: string): string {
  return join(dirname(storePath), `${basename(storePath, extname(storePath))}.sock`)
}

function homeOf(): string {
  try {
    return homedir()
  } catch (cause) {
    // Neither HOME nor an entry in the list of users exists, as in many containers.
    const message =
      'this user has no home folder to keep it in; set XDG_DATA_HOME, or set its place in relay.yml, for example sqlite:/var/lib/sallyport/relay.db'
    throw new ConfigError([{ path: 'store', message }], { cause })
  }
}

// Changes one value of agent.yml and leaves the rest as the person wrote it, comments included.
// The file holds the authtoken: it is written with mode 0600, whole or not at all.

import { chmodSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

import { ConfigError } from '@sallyport/protocol/config-error'
import { makeFolder } from '@sallyport/protocol/make-folder'
import { parseDocument } from 'yaml'

import { parseConfig, readText } from '../plan/config.ts'

/**
 * Sets `key` in the file at `path`, making file and folder if they are missing.
 * @throws ConfigError if the existing file cannot be used, or none can be written
 */
export function editConfig(path: string, key: 'authtoken' | 'server', value: string): void {
  const before = readText(path, false) ?? ''
  // A file with a mistake is reported, not overwritten.
  parseConfig(before, path)
  const document = parseDocument(before)
  if (!document.has('version')) document.set('version', 1)
  document.set(key, value)
  write(path, document.toString())
}

/** Makes the file if it is missing, and its folder. @throws ConfigError if that fails */
export function makeConfig(path: string, text: string): void {
  makeConfigFolder(path)
  orRefuse(path, 'It cannot be written', () => writeNew(path, text))
}

function makeConfigFolder(path: string): void {
  orRefuse(path, 'Its folder cannot be made', () => makeFolder(dirname(path)))
}

function write(path: string, text: string): void {
  makeConfigFolder(path)
  const fresh = `${path}.${process.pid}.new`
  orRefuse(path, 'It cannot be written', () => {
    try {
      writeNew(fresh, text)
      chmodSync(fresh, 0o600) // the umask may have removed more
      renameSync(fresh, path)
    } finally {
      rmSync(fresh, { force: true })
    }
  })
}

function writeNew(path: string, text: string): void {
  writeFileSync(path, text, { mode: 0o600, flag: 'wx' })
}

function orRefuse(path: string, what: string, change: () => void): void {
  try {
    change()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException // node:fs throws nothing else
    throw new ConfigError([{ path, message: `${what} (${code}).` }], { cause: error })
  }
}

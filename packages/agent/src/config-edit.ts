// Changes one value of agent.yml and leaves the rest as the person wrote it, comments included.
// The file holds the authtoken: it is written with mode 0600, whole or not at all.

import { chmodSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

import { parseDocument } from 'yaml'

import { parseConfig, readText } from './config.ts'

/**
 * Sets `key` in the file at `path`, making file and folder where they are missing.
 * @throws ConfigError where the file that is there cannot be used
 */
export function editConfig(path: string, key: 'authtoken' | 'server', value: string): void {
  const before = readText(path, false) ?? ''
  // A file with a mistake in it is told about, not written over.
  parseConfig(before, path)
  const document = parseDocument(before)
  if (!document.has('version')) document.set('version', 1)
  document.set(key, value)
  write(path, document.toString())
}

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const fresh = `${path}.${process.pid}.new`
  try {
    writeFileSync(fresh, text, { mode: 0o600, flag: 'wx' })
    chmodSync(fresh, 0o600) // the umask may have taken more
    renameSync(fresh, path)
  } finally {
    rmSync(fresh, { force: true })
  }
}

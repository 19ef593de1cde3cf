// `relay store backup`: copies the store that the configuration names, also while a relay runs on it.

import { existsSync, realpathSync } from 'node:fs'
import { copyFile, constants, chmod, rename, rm } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'

import { loadStoreLocation } from '../../config/load-config.ts'
import { ConfigError } from '../../errors.ts'
import { keyFileOf } from '../../keys.ts'
import { backupStore } from '../../store/open-store.ts'
import type { StoreOption } from './with-store.ts'

export interface BackupOptions extends StoreOption {
  /** Where the key is copied to. */
  withKey?: string
}

export async function backUpStore(copy: string, options: BackupOptions): Promise<void> {
  const { config: file = process.env.SALLYPORT_CONFIG || undefined, withKey } = options
  const location = await loadStoreLocation({ ...(file !== undefined && { file }), env: process.env })
  const key = keyFileOf(location.path)
  checkPlaces(location.path, key, copy, withKey)
  if (withKey !== undefined) await copyKey(key, withKey)
  const bytes = backupStore(location, resolve(copy))
  console.error(`Copied ${location.path} to ${copy} (${sizeOf(bytes)}).`)
  console.error(
    withKey === undefined
      ? adviceOn(key)
      : `Copied ${key} to ${withKey}. Keep the two apart: a thief with both can read everything.`,
  )
}

/** @throws ConfigError with all problems at once */
function checkPlaces(store: string, key: string, copy: string, withKey: string | undefined): void {
  const problems: { path: string; message: string }[] = []
  const say = (path: string, message: string): void => void problems.push({ path, message })
  const inUse = [store, `${store}-wal`, `${store}-shm`, key].map(realOf)
  if (!existsSync(store)) say(store, 'there is no store here yet, so there is nothing to copy; start the relay once')
  for (const [path, name] of [
    [copy, 'FILE'],
    [withKey, '--with-key'],
  ] as const) {
    if (path === undefined) continue
    if (inUse.includes(realOf(path))) say(name, `${path} belongs to the store itself; name another file`)
    else if (!existsSync(dirname(resolve(path)))) say(name, `the folder of ${path} does not exist; make it first`)
  }
  if (withKey !== undefined) {
    if (realOf(withKey) === realOf(copy)) say('--with-key', 'names the same file as FILE; name another one')
    if (process.env['SALLYPORT_SECRET'])
      say('--with-key', 'the key is SALLYPORT_SECRET here, not a file; keep that value where you keep other secrets')
    else if (!existsSync(key)) say('--with-key', `there is no key at ${key}; start the relay once`)
  }
  if (problems.length > 0) throw new ConfigError(problems)
}

/** Whole or not at all, and for its owner only. */
async function copyKey(key: string, to: string): Promise<void> {
  const draft = `${to}.${process.pid}.part`
  try {
    await copyFile(key, draft, constants.COPYFILE_EXCL)
    await chmod(draft, 0o600)
    await rename(draft, to)
  } catch (cause) {
    await rm(draft, { force: true })
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new ConfigError([{ path: '--with-key', message: `the key cannot be copied: ${reason}` }], { cause })
  }
}

function adviceOn(key: string): string {
  return process.env['SALLYPORT_SECRET']
    ? 'SALLYPORT_SECRET belongs to it: without this value the copy is useless.'
    : `${key} belongs to it: without this key the copy is useless. Copy it once, to another place, or use --with-key FILE.`
}

function sizeOf(bytes: number): string {
  return bytes < 1024 * 1024 ? `${Math.ceil(bytes / 1024)} KiB` : `${(bytes / 1024 / 1024).toFixed(1)} MiB`
}

/** A path by which two spellings of one file compare as equal. */
function realOf(path: string): string {
  const full = resolve(path)
  try {
    return existsSync(full) ? realpathSync(full) : join(realpathSync(dirname(full)), basename(full))
  } catch {
    return full
  }
}

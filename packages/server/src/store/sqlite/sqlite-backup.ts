// A copy of the SQLite file at one moment, also while relays write to it. VACUUM INTO reads in one transaction and writes
// a whole database: SQLite's online backup would begin anew with each write of another process.

import { closeSync, constants, fsyncSync, openSync, renameSync, rmSync, statSync } from 'node:fs'
import type { DatabaseSync } from 'node:sqlite'

import { ConfigError } from '../../errors.ts'
import { numberIn } from './columns.ts'
import { APPLICATION_ID, fileProblem, openFile } from './sqlite-file.ts'

/**
 * Writes the copy beside its place first, so that nobody ever finds a half one. An earlier copy is replaced.
 * @param path the database
 * @param copy a path without a file, or of an earlier copy
 * @returns the size of the copy in bytes
 * @throws ConfigError with a sentence for the operator
 */
export function backupSqlite(path: string, copy: string): number {
  try {
    refuseOther(copy)
    return writeCopy(path, copy)
  } catch (error) {
    throw new ConfigError([{ path: copy, message: fileProblem(error, copy) }], { cause: error })
  }
}

function writeCopy(path: string, copy: string): number {
  const draft = `${copy}.${process.pid}.part`
  // VACUUM INTO takes an empty file, and keeps its mode.
  closeSync(openSync(draft, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, 0o600))
  try {
    vacuumInto(path, draft)
    flush(draft)
    renameSync(draft, copy)
  } catch (error) {
    rmSync(draft, { force: true })
    throw error
  }
  return statSync(copy).size
}

function vacuumInto(path: string, draft: string): void {
  const database = openFile(path)
  try {
    database.prepare('VACUUM INTO ?').run(draft)
  } finally {
    database.close()
  }
}

function refuseOther(copy: string): void {
  const found = statSync(copy, { throwIfNoEntry: false })
  if (!found || (found.isFile() && applicationOf(copy) === APPLICATION_ID)) return
  throw new Error(`${copy} exists and is not the copy of a store; name another file`)
}

function applicationOf(file: string): number | undefined {
  let database: DatabaseSync | undefined
  try {
    database = openFile(file)
    return numberIn(database.prepare('PRAGMA application_id').get(), 'application_id')
  } catch {
    return undefined // not a database
  } finally {
    database?.close()
  }
}

function flush(file: string): void {
  const descriptor = openSync(file, 'r+')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

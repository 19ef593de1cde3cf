// The SQLite file: its owner, its schema, and sentences for its problems. Several processes may have the
// same file open. It is read by sqlite-reader.ts and written by sqlite-writer.ts.

import { chmodSync, closeSync, constants, existsSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { pathToFileURL } from 'node:url'

import { makeFolder } from '@sallyport/protocol/make-folder'

import { numberIn } from './columns.ts'
import * as sqlite from './sqlite.ts'

const SCHEMA_VERSION = 1
export const APPLICATION_ID = 0x53_41_4c_59 // "SALY": distinguishes our files from those of other programs
const BUSY_TIMEOUT_MS = 5000 // another process holds the lock for milliseconds; longer than this is a fault

const SCHEMA = `
  CREATE TABLE entry (
    bucket TEXT NOT NULL,
    key TEXT NOT NULL,
    json TEXT,               -- NULL: a tombstone
    revision INTEGER NOT NULL,
    expires_at INTEGER,      -- ms since 1970; NULL: never
    deleted_at INTEGER,      -- of a tombstone
    PRIMARY KEY (bucket, key)
  ) STRICT, WITHOUT ROWID;
  CREATE UNIQUE INDEX entry_revision ON entry (revision);
  CREATE INDEX entry_expiry ON entry (expires_at) WHERE expires_at IS NOT NULL;
  CREATE INDEX entry_tombstone ON entry (deleted_at) WHERE deleted_at IS NOT NULL;
  CREATE TABLE counter (id INTEGER PRIMARY KEY CHECK (id = 1), revision INTEGER NOT NULL) STRICT;
  INSERT INTO counter VALUES (1, 0);
`

/**
 * Makes the file and its folder if they are missing, and its schema if it is new. Blocks, for seconds if another
 * process holds the lock: for the start only.
 * @throws Error with a sentence for the operator, or an error for fileProblem()
 */
export function prepareFile(path: string): void {
  makeFolder(dirname(path))
  refuseWithoutDatabase(path)
  // SQLite gives its -wal and -shm files the mode of this one.
  closeSync(openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600))
  const database = openFile(path)
  try {
    // Nothing is changed before the owner of the file is known.
    prepareSchema(database, path)
    database.exec('PRAGMA journal_mode = WAL')
    chmodSync(path, 0o600)
  } finally {
    database.close()
  }
}

/**
 * The companion files of a database exist, but the database does not: a relay may still have it open, and its data is
 * not lost yet.
 */
function refuseWithoutDatabase(path: string): void {
  const left = [`${path}-wal`, `${path}-shm`].filter((file) => existsSync(file))
  if (left.length === 0 || existsSync(path)) return // in this order: another process may be making them
  throw new Error(
    `${path} is not there, but ${left.join(' and ')} ${left.length > 1 ? 'are' : 'is'}: the database was deleted or moved away. ` +
      `Move it back, also while a relay runs on it; or stop that relay and remove ${left.length > 1 ? 'those' : 'that'} to start again`,
  )
}

/**
 * Opens a prepared file, and does not make it again if it has gone. Nothing is read or locked yet.
 * @param busyTimeoutMs how long a call may block while another process holds the lock
 */
export function openFile(path: string, { busyTimeoutMs = BUSY_TIMEOUT_MS } = {}): DatabaseSync {
  const url = pathToFileURL(path)
  url.searchParams.set('mode', 'rw') // https://www.sqlite.org/uri.html
  const database = new sqlite.DatabaseSync(url, { timeout: busyTimeoutMs })
  database.exec('PRAGMA synchronous = NORMAL') // with WAL: a crash of the machine may lose the last writes, but never the file
  return database
}

/** Runs `work` as one transaction: either all of it happens, or it throws and nothing has. */
export function transaction<T>(database: DatabaseSync, kind: 'read' | 'write', work: () => T): T {
  // IMMEDIATE waits for other writers at the start, where waiting is possible; later SQLite would fail at once.
  database.exec(kind === 'write' ? 'BEGIN IMMEDIATE' : 'BEGIN')
  try {
    const result = work()
    database.exec('COMMIT')
    return result
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK')
    throw error
  }
}

/** Whether another process held the lock: then simply try again. */
export function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && (Number(error.errcode) & 0xff) === 5
}

/** A sentence for an error of node:sqlite or the file system. */
export function fileProblem(error: unknown, path: string): string {
  const text = error instanceof Error ? error.message : String(error)
  if (!(error instanceof Error)) return text
  if ('errcode' in error && typeof error.errcode === 'number') {
    const primary = error.errcode & 0xff // extended result codes keep the primary one in the low byte
    return SQLITE_PROBLEMS[primary]?.(path) ?? `${path}: ${text}`
  }
  if ('code' in error && typeof error.code === 'string')
    return SYSTEM_PROBLEMS[error.code]?.(path) ?? `${path}: ${text}`
  return text
}

// https://www.sqlite.org/rescode.html
const SQLITE_PROBLEMS: Record<number, (path: string) => string> = {
  5: (path) => `${path} has been locked by another process for ${BUSY_TIMEOUT_MS / 1000} s; end that process`,
  8: (path) => `${path} cannot be written by this user; change the owner of the file and its folder`,
  10: (path) => `the disk failed while ${path} was read or written`,
  11: (path) => `${path} is damaged; restore it from a copy, or move it away to start again`,
  13: (path) => `the disk of ${path} is full; make room`,
  14: (path) => `${path} cannot be opened by this user; change the owner of the file and its folder`,
  26: (path) => `${path} is not a database; name another file, or move it away to start again`,
}

const SYSTEM_PROBLEMS: Record<string, (path: string) => string> = {
  EACCES: (path) => `${path} may not be opened by this user; change the owner of the file and its folder`,
  EPERM: (path) => `${path} may not be opened by this user; change the owner of the file and its folder`,
  EROFS: (path) => `${path} lies on a read-only disk; name a file on another one`,
  EISDIR: (path) => `${path} is a folder; name the file in it, for example ${path.replace(/\/$/, '')}/relay.db`,
  ENOENT: (path) => `the folder of ${path} cannot be made there; name another one`,
  ENOTDIR: (path) => `a part of the path ${path} is a file, not a folder; name another path`,
  EEXIST: (path) => `a part of the path ${path} is a file, not a folder; name another path`,
  ENOSPC: (path) => `the disk of ${path} is full; make room`,
}

function prepareSchema(database: DatabaseSync, path: string): void {
  // Two processes may start on a new file at once: the second one waits here and then finds the schema.
  transaction(database, 'write', () => {
    const version = numberIn(database.prepare('PRAGMA user_version').get(), 'user_version')
    const application = numberIn(database.prepare('PRAGMA application_id').get(), 'application_id')
    const tables = database.prepare('SELECT count(*) AS tables FROM sqlite_schema').get()
    if (application === APPLICATION_ID && version > SCHEMA_VERSION) {
      throw new Error(
        `${path} was written by a newer Sallyport (schema ${version}, this one knows ${SCHEMA_VERSION}); update the relay, or name another file`,
      )
    }
    if (application === APPLICATION_ID && version === SCHEMA_VERSION) return
    if (numberIn(tables, 'tables') > 0) {
      throw new Error(`${path} is the database of another program; name another file`)
    }
    database.exec(SCHEMA)
    database.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${SCHEMA_VERSION}`)
  })
}

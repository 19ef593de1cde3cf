// The SQLite file: schema, transactions, revisions, tombstones, expiry. Blocks while it works, so it runs in
// sqlite-worker.ts only. Several processes may have the same file open.

import { chmodSync, closeSync, constants, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'

import type { Operation, Result, Row } from './worker-messages.ts'

const SCHEMA_VERSION = 1
const APPLICATION_ID = 0x53_41_4c_59 // "SALY": tells our files from those of other programs
const BUSY_TIMEOUT_MS = 5000 // another process holds the lock for milliseconds; longer than this is a fault
const TOMBSTONE_LIFE_MS = 86_400_000 // longer than any process goes without looking
const SWEEP_ROWS = 500 // keeps one sweep short; the next follows in a second
const CHANGE_ROWS = 1000

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

const LIVE = 'json IS NOT NULL AND (expires_at IS NULL OR expires_at > ?)'

export class SqliteFile {
  readonly #database: DatabaseSync
  readonly #get: StatementSync
  readonly #all: StatementSync
  readonly #write: StatementSync
  readonly #nextRevision: StatementSync
  readonly #revision: StatementSync
  readonly #changes: StatementSync
  readonly #expired: StatementSync
  readonly #prune: StatementSync
  readonly #dataVersion: StatementSync

  /** Opens the file, and makes it and its folder where they are missing. Throws an Error with a sentence for the operator. */
  constructor(path: string) {
    makeFile(path)
    const database = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS })
    this.#database = database
    try {
      // Nothing is changed before it is known whose file this is.
      this.#prepareSchema(path)
      database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL')
      chmodSync(path, 0o600)
      this.#get = database.prepare(
        `SELECT bucket, key, json, revision FROM entry WHERE bucket = ? AND key = ? AND ${LIVE}`,
      )
      this.#all = database.prepare(
        `SELECT bucket, key, json, revision FROM entry WHERE bucket = ? AND ${LIVE} ORDER BY revision`,
      )
      this.#write = database.prepare(
        `INSERT INTO entry (bucket, key, json, revision, expires_at, deleted_at) VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT (bucket, key) DO UPDATE SET json = excluded.json, revision = excluded.revision,
           expires_at = excluded.expires_at, deleted_at = excluded.deleted_at`,
      )
      this.#nextRevision = database.prepare('UPDATE counter SET revision = revision + 1 RETURNING revision')
      this.#revision = database.prepare('SELECT revision FROM counter')
      this.#changes = database.prepare(
        `SELECT bucket, key, json, revision FROM entry WHERE revision > ? ORDER BY revision LIMIT ${CHANGE_ROWS}`,
      )
      this.#expired = database.prepare(
        `SELECT bucket, key FROM entry WHERE expires_at IS NOT NULL AND expires_at <= ? LIMIT ${SWEEP_ROWS}`,
      )
      this.#prune = database.prepare('DELETE FROM entry WHERE deleted_at IS NOT NULL AND deleted_at < ?')
      this.#dataVersion = database.prepare('PRAGMA data_version')
    } catch (error) {
      database.close()
      throw error
    }
  }

  /** Runs all operations in one transaction: either all of them happen, or it throws and none has. */
  run(operations: readonly Operation[], now: number): Result[] {
    const writes = operations.some(({ type }) => type === 'put' || type === 'delete')
    return this.#transaction(writes, () => operations.map((operation) => this.#runOne(operation, now)))
  }

  /** The revision of the last write. */
  revision(): number {
    return numberIn(this.#revision.get(), 'revision')
  }

  /** Rows written after the given revision, oldest first, tombstones included; at most 1000. */
  changesAfter(revision: number): Row[] {
    return this.#changes.all(revision).map(rowOf)
  }

  /** Differs from the last answer when another process has written. Costs microseconds. */
  dataVersion(): number {
    return numberIn(this.#dataVersion.get(), 'data_version')
  }

  /** Turns what has expired into tombstones. Answers whether there was anything. */
  sweep(now: number): boolean {
    if (this.#expired.get(now) === undefined) return false
    return this.#transaction(true, () => {
      const expired = this.#expired.all(now)
      for (const row of expired) this.#bury(textIn(row, 'bucket'), textIn(row, 'key'), now)
      return expired.length > 0
    })
  }

  /** Writes what is there already, to see whether writing is possible again. */
  tryWriting(): void {
    this.#transaction(true, () => this.#database.exec('UPDATE counter SET revision = revision'))
  }

  /** Removes tombstones that everyone has seen. */
  prune(now: number): void {
    this.#prune.run(now - TOMBSTONE_LIFE_MS)
  }

  close(): void {
    this.#database.close()
  }

  #runOne(operation: Operation, now: number): Result {
    const { bucket } = operation
    if (operation.type === 'snapshot') {
      return { type: 'snapshot', rows: this.#all.all(bucket, now).map(rowOf), revision: this.revision() }
    }
    const found = this.#get.get(bucket, operation.key, now)
    const row = found === undefined ? undefined : rowOf(found)
    if (operation.type === 'get') return { type: 'row', row }

    const { expectedRevision } = operation
    if (expectedRevision !== undefined && expectedRevision !== (row?.revision ?? 0)) return { type: 'conflict' }
    if (operation.type === 'delete') {
      if (row) this.#bury(bucket, row.key, now)
      return { type: 'deleted', existed: row !== undefined }
    }
    const revision = this.#takeRevision()
    const expiresAt = operation.ttlMs === undefined ? null : Math.round(now + operation.ttlMs)
    this.#write.run(bucket, operation.key, operation.json, revision, expiresAt, null)
    return { type: 'revision', revision }
  }

  #bury(bucket: string, key: string, now: number): void {
    this.#write.run(bucket, key, null, this.#takeRevision(), null, now)
  }

  #takeRevision(): number {
    return numberIn(this.#nextRevision.get(), 'revision')
  }

  #transaction<T>(writes: boolean, work: () => T): T {
    // IMMEDIATE waits for other writers at the start, where waiting is possible; later SQLite would fail at once.
    this.#database.exec(writes ? 'BEGIN IMMEDIATE' : 'BEGIN')
    try {
      const result = work()
      this.#database.exec('COMMIT')
      return result
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK')
      throw error
    }
  }

  #prepareSchema(path: string): void {
    // Two processes may start on a new file at once: the second one waits here and then finds the schema.
    this.#transaction(true, () => {
      const version = numberIn(this.#database.prepare('PRAGMA user_version').get(), 'user_version')
      const application = numberIn(this.#database.prepare('PRAGMA application_id').get(), 'application_id')
      const tables = this.#database.prepare('SELECT count(*) AS tables FROM sqlite_schema').get()
      if (application === APPLICATION_ID && version > SCHEMA_VERSION) {
        throw new Error(
          `${path} was written by a newer Sallyport (schema ${version}, this one knows ${SCHEMA_VERSION}); update the relay, or name another file`,
        )
      }
      if (application === APPLICATION_ID && version === SCHEMA_VERSION) return
      if (numberIn(tables, 'tables') > 0) {
        throw new Error(`${path} is the database of another program; name another file`)
      }
      this.#database.exec(SCHEMA)
      this.#database.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${SCHEMA_VERSION}`)
    })
  }
}

/** A sentence for what node:sqlite or the file system has thrown. */
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
  11: (path) => `${path} is damaged; restore it from a copy, or move it away to start anew`,
  13: (path) => `the disk of ${path} is full; make room`,
  14: (path) => `${path} cannot be opened by this user; change the owner of the file and its folder`,
  26: (path) => `${path} is not a database; name another file, or move it away to start anew`,
}

const SYSTEM_PROBLEMS: Record<string, (path: string) => string> = {
  EACCES: (path) => `${path} may not be opened by this user; change the owner of the file and its folder`,
  EPERM: (path) => `${path} may not be opened by this user; change the owner of the file and its folder`,
  EROFS: (path) => `${path} lies on a read-only disk; name a file on another one`,
  EISDIR: (path) => `${path} is a folder; name the file in it, for example ${path.replace(/\/$/, '')}/relay.db`,
  ENOTDIR: (path) => `a part of the path ${path} is a file, not a folder; name another path`,
  EEXIST: (path) => `a part of the path ${path} is a file, not a folder; name another path`,
  ENOSPC: (path) => `the disk of ${path} is full; make room`,
}

// SQLite gives its -wal and -shm files the mode of this one.
function makeFile(path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  closeSync(openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600))
}

function rowOf(row: Record<string, unknown>): Row {
  const json = row['json']
  return {
    bucket: textIn(row, 'bucket'),
    key: textIn(row, 'key'),
    json: typeof json === 'string' ? json : null,
    revision: numberIn(row, 'revision'),
  }
}

function textIn(row: Record<string, unknown>, column: string): string {
  const value = row[column]
  if (typeof value !== 'string') throw new TypeError(`column ${column} holds no text`)
  return value
}

function numberIn(row: Record<string, unknown> | undefined, column: string): number {
  const value = row?.[column]
  if (typeof value !== 'number') throw new TypeError(`column ${column} holds no number`)
  return value
}

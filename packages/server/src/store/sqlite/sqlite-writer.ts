// The writing side of the SQLite file: revisions, tombstones, expiry. Blocks while it works or waits for the lock of
// another process, so only sqlite-worker.ts uses it.

import type { DatabaseSync, StatementSync } from 'node:sqlite'

import { numberIn, rowOf, textIn } from './columns.ts'
import { lossOf, type OpenedFiles } from './opened-files.ts'
import { openFile, transaction } from './sqlite-file.ts'
import { EXPIRED, GET_ROW, OLD_TOMBSTONE } from './sqlite-reader.ts'
import type { Write } from '../store.ts'
import { keepUnknown } from '../keep-unknown.ts'
import type { Row } from '../engine.ts'
import type { Commit, Result } from './worker-messages.ts'

const SWEEP_ROWS = 500 // keeps one sweep short; the next follows in a second

export class SqliteWriter {
  readonly #files: OpenedFiles
  readonly #database: DatabaseSync
  readonly #get: StatementSync
  readonly #write: StatementSync
  readonly #nextRevision: StatementSync
  readonly #expired: StatementSync
  readonly #prune: StatementSync

  /**
   * @param files the reader's files: writes to others would never be read
   * @throws an error for fileProblem()
   */
  constructor(files: OpenedFiles) {
    this.#files = files
    this.#assertInPlace()
    const database = openFile(files.path)
    this.#database = database
    try {
      this.#get = database.prepare(GET_ROW)
      this.#write = database.prepare(
        `INSERT INTO entry (bucket, key, json, revision, expires_at, deleted_at) VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT (bucket, key) DO UPDATE SET json = excluded.json, revision = excluded.revision,
           expires_at = excluded.expires_at, deleted_at = excluded.deleted_at`,
      )
      this.#nextRevision = database.prepare('UPDATE counter SET revision = revision + 1 RETURNING revision')
      this.#expired = database.prepare(`SELECT bucket, key FROM entry WHERE ${EXPIRED} LIMIT ${SWEEP_ROWS}`)
      this.#prune = database.prepare(
        `DELETE FROM entry WHERE (bucket, key) IN
           (SELECT bucket, key FROM entry WHERE ${OLD_TOMBSTONE} LIMIT ${SWEEP_ROWS})`,
      )
    } catch (error) {
      database.close()
      throw error
    }
  }

  /** Runs all commits in one transaction: either all of them happen, except for conflicts, or it throws and none has. */
  run(commits: readonly Commit[], now: number): Result[] {
    this.#assertInPlace()
    const results = transaction(this.#database, 'write', () => commits.map((commit) => this.#commit(commit, now)))
    this.#assertInPlace() // a write to a file that has gone meanwhile is lost
    return results
  }

  /** Turns expired rows into tombstones, and removes tombstones that every process has seen. */
  sweep(now: number): void {
    transaction(this.#database, 'write', () => {
      for (const row of this.#expired.all(now)) this.#bury(textIn(row, 'bucket'), textIn(row, 'key'), now)
      this.#prune.run(now)
    })
  }

  /** Writes an existing value again, to see whether writing is possible. */
  tryWriting(): void {
    this.#assertInPlace()
    transaction(this.#database, 'write', () => this.#database.exec('UPDATE counter SET revision = revision'))
  }

  close(): void {
    this.#database.close()
  }

  #assertInPlace(): void {
    const loss = lossOf(this.#files)
    if (loss !== undefined) throw new Error(loss)
  }

  #commit(writes: Commit, now: number): Result {
    const rows = writes.map(({ bucket, key }) => this.#rowAt(bucket, key, now))
    const index = writes.findIndex(({ expectedRevision }, at) => isConflict(expectedRevision, rows[at]))
    if (index >= 0) return { type: 'conflict', index }
    return { type: 'revisions', revisions: writes.map((write, at) => this.#runOne(write, rows[at], now)) }
  }

  #rowAt(bucket: string, key: string, now: number): Row | undefined {
    const found = this.#get.get(bucket, key, now)
    return found && rowOf(found)
  }

  #runOne(write: Write, row: Row | undefined, now: number): number {
    const { bucket, key } = write
    if (write.type === 'delete') return row ? this.#bury(bucket, key, now) : 0
    const { json, ttlMs, known } = write
    const revision = this.#takeRevision()
    const expiresAt = ttlMs === undefined ? null : Math.round(now + ttlMs)
    this.#write.run(bucket, key, known ? keepUnknown(row?.json, json, known) : json, revision, expiresAt, null)
    return revision
  }

  #bury(bucket: string, key: string, now: number): number {
    const revision = this.#takeRevision()
    this.#write.run(bucket, key, null, revision, null, now)
    return revision
  }

  #takeRevision(): number {
    return numberIn(this.#nextRevision.get(), 'revision')
  }
}

function isConflict(expected: number | undefined, row: Row | undefined): boolean {
  return expected !== undefined && expected !== (row?.revision ?? 0)
}

// The reading side of the SQLite file. In WAL mode a reader waits for no writer, so it may run in the main thread.
// Every call is one step of microseconds, except `all`, which is for the start.

import type { DatabaseSync, StatementSync } from 'node:sqlite'

import { numberIn, rowOf } from './columns.ts'
import { openFile, transaction } from './sqlite-file.ts'
import type { PageOptions } from '../store.ts'
import type { Row } from '../engine.ts'

const CHANGE_ROWS = 1000
const TOMBSTONE_LIFE_MS = 86_400_000 // longer than any process goes without reading changes

const LIVE = 'json IS NOT NULL AND (expires_at IS NULL OR expires_at > ?)'
/** The query that reader and writer share: a row by bucket, key and the time now. */
export const GET_ROW = `SELECT bucket, key, json, revision FROM entry WHERE bucket = ? AND key = ? AND ${LIVE}`
export const EXPIRED = 'expires_at IS NOT NULL AND expires_at <= ?'
export const OLD_TOMBSTONE = `deleted_at IS NOT NULL AND deleted_at < ? - ${TOMBSTONE_LIFE_MS}`

export class SqliteReader {
  readonly #database: DatabaseSync
  readonly #get: StatementSync
  readonly #all: StatementSync
  readonly #pages: Record<'first' | 'firstBackward' | 'after' | 'afterBackward', StatementSync>
  readonly #revision: StatementSync
  readonly #changes: StatementSync
  readonly #overdue: StatementSync
  readonly #dataVersion: StatementSync

  /** @throws an error for fileProblem() */
  constructor(path: string) {
    // Never waits: the main thread serves visitors. A caller that finds the file busy tries again.
    const database = openFile(path, { busyTimeoutMs: 0 })
    this.#database = database
    try {
      this.#get = database.prepare(GET_ROW)
      this.#all = database.prepare(
        `SELECT bucket, key, json, revision FROM entry WHERE bucket = ? AND ${LIVE} ORDER BY revision`,
      )
      const page = (where: string, order: string): StatementSync =>
        database.prepare(
          `SELECT bucket, key, json, revision FROM entry WHERE bucket = ? AND ${LIVE} ${where} ORDER BY key ${order} LIMIT ?`,
        )
      this.#pages = {
        first: page('', 'ASC'),
        firstBackward: page('', 'DESC'),
        after: page('AND key > ?', 'ASC'),
        afterBackward: page('AND key < ?', 'DESC'),
      }
      this.#revision = database.prepare('SELECT revision FROM counter')
      this.#changes = database.prepare(
        `SELECT bucket, key, json, revision FROM entry WHERE revision > ? ORDER BY revision LIMIT ${CHANGE_ROWS}`,
      )
      this.#overdue = database.prepare(
        `SELECT EXISTS (SELECT 1 FROM entry WHERE ${EXPIRED}) OR EXISTS (SELECT 1 FROM entry WHERE ${OLD_TOMBSTONE}) AS overdue`,
      )
      this.#dataVersion = database.prepare('PRAGMA data_version')
    } catch (error) {
      database.close()
      throw error
    }
  }

  get(bucket: string, key: string, now: number): Row | undefined {
    const row = this.#get.get(bucket, key, now)
    return row && rowOf(row)
  }

  /** Reports every live row of a bucket, and returns the revision of the store at that moment. */
  all(bucket: string, now: number, tell: (row: Row) => void): number {
    return transaction(this.#database, 'read', () => {
      for (const row of this.#all.iterate(bucket, now)) tell(rowOf(row))
      return this.revision()
    })
  }

  /** Live rows of a bucket in the order of their keys, beginning behind the key `after`. */
  page(bucket: string, now: number, { after, limit, backward = false }: PageOptions): Row[] {
    const statement = this.#pages[`${after === undefined ? 'first' : 'after'}${backward ? 'Backward' : ''}`]
    return statement.all(bucket, now, ...(after === undefined ? [] : [after]), limit).map(rowOf)
  }

  /** The revision of the last write. */
  revision(): number {
    return numberIn(this.#revision.get(), 'revision')
  }

  /** Rows written after the given revision, oldest first, tombstones included; at most 1000. */
  changesAfter(revision: number): Row[] {
    return this.#changes.all(revision).map(rowOf)
  }

  /** Whether the writer has something to sweep. */
  hasOverdue(now: number): boolean {
    return numberIn(this.#overdue.get(now, now), 'overdue') === 1
  }

  /** Differs from the last result if another process has written. Costs microseconds. */
  dataVersion(): number {
    return numberIn(this.#dataVersion.get(), 'data_version')
  }

  close(): void {
    this.#database.close()
  }
}

// The sessions as an operator's command sees them: read from the store beside a running relay, and ended there. The
// relay learns of it from the store and cuts their exchanges.

import { StoreConflict, type Bucket, type Entry, type Store } from '../store/store.ts'
import { SESSIONS_BUCKET, TOKENS_BUCKET, parseSessionRow, sessionName, type SessionRow } from './session-row.ts'

export interface StoredSession {
  /** Its key in the store. */
  key: string
  /** `ses_…` */
  name: string
  row: SessionRow
}

/** A query for sessions; a missing field matches all. */
export interface SessionQuery {
  /** `ses_…`, or the beginning of it. */
  id?: string
  /** The subject, or the email address. */
  user?: string
  edge?: string
}

export class StoredSessions {
  readonly #sessions: StoredSession[] = []
  readonly #rows: Bucket<unknown>
  readonly #tokens: Bucket<unknown>

  private constructor(store: Store) {
    this.#rows = store.bucket(SESSIONS_BUCKET, (stored) => stored)
    this.#tokens = store.bucket(TOKENS_BUCKET, (stored) => stored)
  }

  /** Reads them once. Throws `StoreUnavailable`. */
  static async open(store: Store, now = Date.now()): Promise<StoredSessions> {
    const opened = new StoredSessions(store)
    const once = new AbortController()
    const listen = ({ key, value }: { key: string; value: SessionRow | undefined }): void => {
      const isOver = value === undefined || now >= value.expires || now - value.last_seen >= value.idle_ms
      if (!isOver) opened.#sessions.push({ key, name: sessionName(key), row: value })
    }
    await store.bucket(SESSIONS_BUCKET, parseSessionRow).watch(listen, { signal: once.signal })
    once.abort()
    return opened
  }

  /** The sessions that match the whole query, the last seen first. */
  find({ id, user, edge }: SessionQuery): StoredSession[] {
    const email = user?.toLowerCase()
    return this.#sessions
      .filter(
        ({ name, row }) =>
          (id === undefined || name.startsWith(id)) &&
          (edge === undefined || row.edge === edge) &&
          (user === undefined || row.subject === user || row.email?.toLowerCase() === email),
      )
      .toSorted((a, b) => b.row.last_seen - a.row.last_seen)
  }

  /**
   * Ends them. A relay that runs on the store takes their tokens and revokes them at the provider; if none runs, the
   * tokens expire after a quarter of an hour. Throws `StoreUnavailable`.
   */
  async end(sessions: readonly StoredSession[]): Promise<void> {
    for (let done = 0; done < sessions.length; done += AT_ONCE) {
      const some = sessions.slice(done, done + AT_ONCE)
      const tokens = await Promise.all(some.map(({ key }) => this.#tokens.get(key)))
      await Promise.all(some.flatMap(({ key }, i) => [this.#leave(key, tokens[i]), this.#rows.delete(key)]))
    }
  }

  async #leave(key: string, entry: Entry<unknown> | undefined): Promise<void> {
    if (!entry) return
    const { value, revision: expectedRevision } = entry
    try {
      await this.#tokens.put(key, value, { expectedRevision, ttlMs: TOKENS_LEFT_MS })
    } catch (error) {
      if (!(error instanceof StoreConflict)) throw error // renewed just now, by a relay that runs and takes them
    }
  }

  /** Nothing is held open. */
  async close(): Promise<void> {}
}

const AT_ONCE = 500 // the store takes twice as many without refusing, and each is two
const TOKENS_LEFT_MS = 15 * 60_000

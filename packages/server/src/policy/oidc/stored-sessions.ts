// The sessions as an operator's command sees them: read from the store beside a running relay, and ended there. The
// relay hears of it from the store and cuts what is under way.

import type { Bucket, Store } from '../../store/store.ts'
import { SESSIONS_BUCKET, TOKENS_BUCKET, parseSessionRow, sessionName, type SessionRow } from './session-row.ts'

export interface StoredSession {
  /** Under which it stands in the store. */
  key: string
  /** `ses_…` */
  name: string
  row: SessionRow
}

/** Which sessions are meant; what is left out does not matter. */
export interface SessionQuery {
  /** `ses_…`, or the beginning of it. */
  id?: string
  /** The subject, or the email address. */
  user?: string
  edge?: string
}

export class StoredSessions {
  readonly #sessions: StoredSession[] = []
  readonly #buckets: readonly Bucket<unknown>[]

  private constructor(store: Store) {
    this.#buckets = [SESSIONS_BUCKET, TOKENS_BUCKET].map((name) => store.bucket(name, (stored) => stored))
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

  /** Those that fit all of the query, the last seen first. */
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

  /** Ends them for good, their tokens with them. Throws `StoreUnavailable`. */
  async end(sessions: readonly StoredSession[]): Promise<void> {
    for (let done = 0; done < sessions.length; done += AT_ONCE) {
      const some = sessions.slice(done, done + AT_ONCE)
      await Promise.all(some.flatMap(({ key }) => this.#buckets.map((bucket) => bucket.delete(key))))
    }
  }

  /** Nothing is held open. */
  async close(): Promise<void> {}
}

const AT_ONCE = 1000 // the store takes so many without refusing

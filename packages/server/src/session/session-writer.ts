// Writes changes of a session in memory to the store, in the background.

import type { Logger } from '../log.ts'
import { StoreConflict, type Bucket, type Store } from '../store/store.ts'
import type { LiveSession } from './live-session.ts'
import { timeToLive, type SessionRow } from './session-row.ts'

const CLAIMS_TRIES = 4 // other processes write last-seen once a minute

/** A session, and the revision of it in the store. */
export interface WrittenSession extends LiveSession {
  revision: number
  lastWritten: number
  writing: boolean
}

export interface SessionWriterInit {
  store: Store
  bucket: Bucket<SessionRow>
  clock: () => number
  log: Logger
}

export class SessionWriter {
  readonly #store: Store
  readonly #bucket: Bucket<SessionRow>
  readonly #clock: () => number
  readonly #log: Logger
  readonly #writes = new Set<Promise<void>>()

  constructor({ store, bucket, clock, log }: SessionWriterInit) {
    this.#store = store
    this.#bucket = bucket
    this.#clock = clock
    this.#log = log
  }

  writeLastSeen(session: WrittenSession, now: number): void {
    if (session.ended || session.writing || !this.#store.healthy) return
    session.lastWritten = now
    session.writing = true
    this.run(async () => {
      try {
        const { row, address } = session
        const seen = { ...row, last_seen: now, ...(address !== undefined && { address }) }
        // Only over the known revision: a session that another process has ended stays ended.
        session.revision = await this.#bucket.put(session.key, seen, {
          expectedRevision: session.revision,
          ttlMs: timeToLive(seen, now),
        })
      } finally {
        session.writing = false
      }
    })
  }

  writeClaims(session: WrittenSession): void {
    this.run(() => this.#writeClaims(session))
  }

  /** In the background: a failure is logged, and the next use or sweep tries again. */
  run(write: () => Promise<void>): void {
    const running = write()
      .catch((error: unknown) => {
        if (error instanceof StoreConflict) return // another process wrote; the watch brings it
        const reason = error instanceof Error ? error.message : String(error)
        this.#log.warn({ error: reason }, 'session was not written')
      })
      .finally(() => this.#writes.delete(running))
    this.#writes.add(running)
  }

  /** Waits for writes under way. */
  async settled(): Promise<void> {
    await Promise.all(this.#writes)
  }

  /** Over any other write, unless that ended the session. */
  async #writeClaims(session: WrittenSession): Promise<void> {
    for (let tries = 0; tries < CLAIMS_TRIES && !session.ended; tries++) {
      const { row, lastSeen, address } = session
      const fresh = { ...row, last_seen: lastSeen, ...(address !== undefined && { address }) }
      const options = { expectedRevision: session.revision, ttlMs: timeToLive(fresh, this.#clock()) }
      try {
        session.revision = await this.#bucket.put(session.key, fresh, options)
        session.lastWritten = lastSeen
        return
      } catch (error) {
        if (!(error instanceof StoreConflict)) {
          session.lastWritten = 0 // the next use writes it
          throw error
        }
      }
      const entry = await this.#bucket.get(session.key)
      if (!entry) return // ended elsewhere, as the watch will report
      session.revision = Math.max(session.revision, entry.revision)
    }
  }
}

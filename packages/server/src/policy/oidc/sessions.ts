// The visitor sessions: all of them in memory, and in the store so that they outlive the relay. A request looks in
// memory only. The id that a browser holds is nowhere kept; its SHA-256 is the key.

import { hash, randomBytes } from 'node:crypto'

import type { Exchange } from '../../exchange/exchange.ts'
import type { Identity } from '../../exchange/identity.ts'
import { StoreConflict, type Bucket, type Change, type Store } from '../../store/store.ts'
import type { Logger } from '../../log.ts'
import { parseSessionRow, sessionScope, type SessionRow } from './session-row.ts'

const ID_BYTES = 32
const ID_CHARS = 43 // 32 bytes in base64url
const WRITE_LAST_SEEN_MS = 60_000
const SWEEP_MS = 2000 // expiry ends open WebSockets and event streams within this time
const TTL_SLACK_MS = 5 * 60_000 // last-seen reaches the store late
const MAX_PER_SUBJECT = 100 // a person has fewer browsers; beyond it the least recently used goes
const FORGET_ENDED_MS = 10 * 60_000

/** A session in memory. */
export interface LiveSession {
  /** The SHA-256 of the visitor's session id: safe to show to the operator. */
  readonly id: string
  readonly scope: string
  readonly row: SessionRow
  readonly created: number
  readonly expires: number
  lastSeen: number
  /** True once it was signed out, revoked or has expired. */
  ended: boolean
  /** Who the visitor is, by how a route reads the claims. */
  readonly identities: Map<string, SessionIdentity>
  /** What is under way at the moment, to be cut when the session ends. */
  readonly exchanges: Set<Exchange>
}

/** One reading of the session, made when first needed and shared by all its requests. */
export interface SessionIdentity {
  plain: Identity
  signed: Identity | undefined
  signedUntil: number
  signing: Promise<Identity> | undefined
}

/** What the operator sees of a session. */
export interface SessionSummary {
  id: string
  edge: string
  authId: string
  issuer: string
  subject: string
  name?: string
  email?: string
  createdAt: number
  lastSeenAt: number
  expiresAt: number
  exchanges: number
}

interface Stored {
  revision: number
  lastWritten: number
  writing: boolean
}

export class Sessions {
  readonly #store: Store
  readonly #bucket: Bucket<SessionRow>
  readonly #clock: () => number
  readonly #log: Logger
  readonly #live = new Map<string, LiveSession & Stored>()
  /** Ended here; until the store has told so, what it says about them is old. */
  readonly #ended = new Map<string, { at: number; deleted: boolean }>()
  readonly #writes = new Set<Promise<void>>()
  readonly #watching = new AbortController()
  #sweeper: NodeJS.Timeout | undefined

  private constructor(store: Store, clock: () => number, log: Logger) {
    this.#store = store
    this.#bucket = store.bucket('sessions', parseSessionRow)
    this.#clock = clock
    this.#log = log
  }

  /** Loads every session. Throws `StoreUnavailable`. */
  static async open(store: Store, clock: () => number, log: Logger): Promise<Sessions> {
    const sessions = new Sessions(store, clock, log)
    await sessions.#bucket.watch((change) => sessions.#follow(change), { signal: sessions.#watching.signal })
    sessions.#sweeper = setInterval(() => sessions.sweep(), SWEEP_MS).unref()
    return sessions
  }

  get size(): number {
    return this.#live.size
  }

  /** @param id as the browser holds it */
  find(id: string | undefined): LiveSession | undefined {
    if (id === undefined || id.length !== ID_CHARS) return undefined
    return this.#live.get(keyOf(id))
  }

  /** Answers with a fresh id for the browser. Throws `StoreUnavailable`: a session that cannot be kept is none. */
  async create(row: SessionRow): Promise<string> {
    const id = randomBytes(ID_BYTES).toString('base64url')
    const key = keyOf(id)
    const revision = await this.#bucket.put(key, row, { expectedRevision: 0, ttlMs: timeToLive(row, this.#clock()) })
    this.#follow({ key, value: row, revision })
    await this.#limit(row)
    return id
  }

  /** Notes that the session was used just now. Written at most once a minute, and never waited for. */
  touch(session: LiveSession, now: number): void {
    session.lastSeen = now
    const stored = this.#live.get(session.id)
    if (!stored || stored.writing || now - stored.lastWritten < WRITE_LAST_SEEN_MS || !this.#store.healthy) return
    stored.lastWritten = now
    stored.writing = true
    this.#run(async () => {
      try {
        const row = { ...stored.row, last_seen: now }
        // Only over what we know: a session that someone else has ended stays ended.
        stored.revision = await this.#bucket.put(stored.id, row, {
          expectedRevision: stored.revision,
          ttlMs: timeToLive(row, now),
        })
      } finally {
        stored.writing = false
      }
    })
  }

  /** Ends a session at once, with everything under way in it. Answers whether there was one. */
  async end(key: string, reason: string): Promise<boolean> {
    const session = this.#live.get(key)
    if (!session) return false
    this.#drop(session, reason)
    await this.#delete(key)
    return true
  }

  /** Like end(), but a store that does not answer only delays the writing: sweep() tells it again. */
  async endAnyway(session: LiveSession, reason: string): Promise<void> {
    try {
      await this.end(session.id, reason)
    } catch (error) {
      this.#log.warn({ error: messageOf(error) }, 'the end of a session is not written yet')
    }
  }

  list(): SessionSummary[] {
    return [...this.#live.values()].map((session) => ({
      id: session.id,
      edge: session.row.edge,
      authId: session.row.auth_id,
      issuer: session.row.issuer,
      subject: session.row.subject,
      ...(session.row.name !== undefined && { name: session.row.name }),
      ...(session.row.email !== undefined && { email: session.row.email }),
      createdAt: session.created,
      lastSeenAt: session.lastSeen,
      expiresAt: session.expires,
      exchanges: session.exchanges.size,
    }))
  }

  /** Ends what has expired. Runs by itself every few seconds. */
  sweep(): void {
    const now = this.#clock()
    for (const session of this.#live.values()) {
      // An exchange under way is use: a WebSocket ends at the hard limit, not for want of new requests.
      if (session.exchanges.size > 0) this.touch(session, now)
      const over = now >= session.expires || now - session.lastSeen >= session.row.idle_ms
      if (over) this.#drop(session, 'expired')
    }
    for (const [key, ended] of this.#ended) {
      if (!ended.deleted) {
        if (this.#store.healthy) this.#run(() => this.#delete(key))
      } else if (now - ended.at > FORGET_ENDED_MS) this.#ended.delete(key)
    }
  }

  /** Stops following the store and waits for what is being written. The sessions stay in the store. */
  async close(): Promise<void> {
    clearInterval(this.#sweeper)
    this.#watching.abort()
    await Promise.all(this.#writes)
  }

  #follow({ key, value, revision }: Change<SessionRow>): void {
    const known = this.#live.get(key)
    if (value === undefined) {
      this.#ended.delete(key)
      if (known && revision >= known.revision) this.#drop(known, 'revoked', false)
      return
    }
    if (this.#ended.has(key)) return
    if (known) {
      if (revision <= known.revision) return
      known.revision = revision
      known.lastSeen = Math.max(known.lastSeen, value.last_seen)
      return
    }
    this.#live.set(key, {
      id: key,
      scope: sessionScope(value),
      row: value,
      created: value.created,
      expires: value.expires,
      lastSeen: value.last_seen,
      ended: false,
      identities: new Map(),
      exchanges: new Set(),
      revision,
      lastWritten: value.last_seen,
      writing: false,
    })
  }

  #drop(session: LiveSession, reason: string, here = true): void {
    session.ended = true
    this.#live.delete(session.id)
    if (here) this.#ended.set(session.id, { at: this.#clock(), deleted: false })
    for (const exchange of session.exchanges) exchange.cut(new Error(`the visitor's session has ended: ${reason}`))
    session.exchanges.clear()
  }

  async #delete(key: string): Promise<void> {
    await this.#bucket.delete(key)
    const ended = this.#ended.get(key)
    if (ended) ended.deleted = true
  }

  async #limit(row: SessionRow): Promise<void> {
    const scope = sessionScope(row)
    const own = [...this.#live.values()].filter((one) => one.scope === scope && one.row.subject === row.subject)
    const surplus = own.toSorted((a, b) => b.lastSeen - a.lastSeen).slice(MAX_PER_SUBJECT)
    for (const session of surplus) await this.endAnyway(session, 'too many sessions')
  }

  /** In the background: a failure is logged, and what failed is tried again by the next use or sweep. */
  #run(write: () => Promise<void>): void {
    const running = write()
      .catch((error: unknown) => {
        if (error instanceof StoreConflict) return // someone else wrote; the watch brings it
        this.#log.warn({ error: messageOf(error) }, 'session was not written')
      })
      .finally(() => this.#writes.delete(running))
    this.#writes.add(running)
  }
}

function keyOf(id: string): string {
  return hash('sha256', id, 'base64url')
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function timeToLive(row: SessionRow, now: number): number {
  return Math.max(1, Math.min(row.expires - now, row.idle_ms + TTL_SLACK_MS))
}

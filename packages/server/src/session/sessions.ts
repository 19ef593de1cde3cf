// The visitor sessions: all of them in memory, and in the store so that they outlive the relay. A request looks only in
// memory. The id that a browser holds is not kept anywhere; its SHA-256 is the key. Tokens stay in the store.

import { randomBytes } from 'node:crypto'

import type { Exchange } from '../exchange/exchange.ts'
import { Roster } from '../exchange/roster.ts'
import type { Listed } from '../exchange/roster.ts'
import type { Logger } from '../log.ts'
import { StoreConflict, type Bucket, type Change, type Store } from '../store/store.ts'
import type { Boxes } from '../seal/boxes.ts'
import type { LiveSession, SessionRoute, SessionUse } from './live-session.ts'
import { checkSession } from './session-check.ts'
import { SessionLookUps } from './session-look-ups.ts'
import {
  SESSION_FIELDS,
  SESSIONS_BUCKET,
  parseSessionRow,
  sessionKey,
  sessionScope,
  timeToLive,
} from './session-row.ts'
import type { SessionRow, VisitorClaims } from './session-row.ts'
import { summaryOf, type SessionSummary } from './session-summary.ts'
import { SessionTokens, type Tokens } from './session-tokens.ts'
import { SessionWriter, type WrittenSession } from './session-writer.ts'
import { SharedTexts, slimRow } from './shared-texts.ts'

const ID_BYTES = 32
const ID_CHARS = 43 // 32 bytes in base64url
const WRITE_LAST_SEEN_MS = 60_000
const SWEEP_MS = 1000 // expiry ends open WebSockets and event streams within this time
const SWEEP_IDLE = 5000 // sessions looked at in one sweep: a request checks its own, so the others have time
const MAX_PER_SUBJECT = 100 // a person has fewer browsers; beyond it the least recently used goes
const FORGET_ENDED_MS = 10 * 60_000
const SWEEP_DELETES = 1000 // of one second, so that a store in trouble is not told everything at once

/** Whether and when the tokens of an ended session are revoked at the provider; see TokenRevocation. */
export type EndOfTokens = 'dropped' | 'revoked' | 'revoked after sign-out'

export interface SessionsInit {
  store: Store
  boxes: Boxes
  clock: () => number
  log: Logger
}

/** Its place is its index among the busy ones. */
type Held = WrittenSession & Listed

interface Ended {
  at: number
  deleted: boolean
  /** It has ended only if the store has this revision of it: another process may have seen it in use. */
  atRevision: number | undefined
  session: Held
  tokens: EndOfTokens
}

type RevokedListener = (session: LiveSession, tokens: Tokens | undefined, how: EndOfTokens) => void

export class Sessions {
  readonly tokens: SessionTokens
  readonly #store: Store
  readonly #bucket: Bucket<SessionRow>
  readonly #clock: () => number
  readonly #log: Logger
  readonly #live = new Map<string, Held>()
  /** Sessions with exchanges under way. */
  readonly #busy = new Roster<Held>()
  /** How many sessions each person has; a subject of several providers counts as one person. */
  readonly #perSubject = new Map<string, number>()
  /** Ended here; until the store reports that, its values of them are stale. */
  readonly #ended = new Map<string, Ended>()
  readonly #texts = new SharedTexts()
  readonly #lookUps: SessionLookUps
  readonly #writer: SessionWriter
  readonly #watching = new AbortController()
  #whenDue: (session: LiveSession) => void = () => {}
  #whenRevoked: RevokedListener = () => {}
  /** The time since which the store has reported when other processes last saw each session. */
  #informedSince = -Infinity
  #sweeper: NodeJS.Timeout | undefined
  #sweeping: MapIterator<Held> | undefined

  private constructor({ store, boxes, clock, log }: SessionsInit) {
    this.tokens = new SessionTokens(store, boxes)
    this.#store = store
    this.#bucket = store.bucket(SESSIONS_BUCKET, parseSessionRow, { known: SESSION_FIELDS })
    this.#clock = clock
    this.#log = log
    this.#writer = new SessionWriter({ store, bucket: this.#bucket, clock, log })
    const adopt = (found: Change<SessionRow>): LiveSession | undefined => {
      this.#follow(found)
      return this.#live.get(found.key)
    }
    this.#lookUps = new SessionLookUps({ bucket: this.#bucket, adopt, clock })
  }

  /** Loads every session. Throws `StoreUnavailable`. */
  static async open(init: SessionsInit): Promise<Sessions> {
    const sessions = new Sessions(init)
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
    return this.#live.get(sessionKey(id))
  }

  /**
   * Asks the store once about an id that find() does not know: another process of this relay may have made the session
   * a moment ago. Undefined at once if that is pointless: asked before, asked too often, or the store is down.
   */
  lookUp(id: string | undefined, address: string): Promise<LiveSession | undefined> | undefined {
    if (id === undefined || id.length !== ID_CHARS || !this.#store.healthy) return undefined
    const key = sessionKey(id)
    return this.#ended.has(key) ? undefined : this.#lookUps.lookUp(key, address)
  }

  /** Returns a fresh id for the browser. Throws `StoreUnavailable`: a session that cannot be saved is not made. */
  async create(row: SessionRow, tokens: Tokens = {}): Promise<string> {
    const id = randomBytes(ID_BYTES).toString('base64url')
    const key = sessionKey(id)
    const now = this.#clock()
    // In one turn, so in one transaction.
    const [revision] = await Promise.all([
      this.#bucket.put(key, row, { expectedRevision: 0, ttlMs: timeToLive(row, now) }),
      this.tokens.keep(key, tokens, { expires: row.expires, expectedRevision: 0, now }),
    ])
    this.#follow({ key, value: row, revision })
    await this.#limit(row)
    return id
  }

  /** Notes that the session was used just now. Written at most once a minute, without waiting. */
  touch(session: LiveSession, now: number, address = session.address): void {
    session.lastSeen = now
    session.address = address
    const stored = session as Held // every session of ours is one
    if (now - stored.lastWritten >= WRITE_LAST_SEEN_MS) this.#writer.writeLastSeen(stored, now)
  }

  /** Adds an exchange to a session, to be cut when the session ends. leave() removes it. */
  enter(session: LiveSession, exchange: Exchange, route: SessionRoute): SessionUse {
    const use = { exchange, route, place: -1 }
    session.exchanges ??= new Roster()
    session.exchanges.add(use)
    this.#busy.add(session as Held) // as in touch()
    return use
  }

  /** All exchanges under way in sessions. One that runs in several comes for each of them. */
  *uses(): Generator<[session: LiveSession, use: SessionUse]> {
    for (const session of this.#busy) for (const use of session.exchanges ?? []) yield [session, use]
  }

  leave(session: LiveSession, use: SessionUse): void {
    session.exchanges?.delete(use)
    if (!session.exchanges?.size) this.#busy.delete(session as Held)
  }

  /** Ends a session at once, with its exchanges. Returns whether it existed. */
  async end(key: string, reason: string, tokens: EndOfTokens = 'dropped'): Promise<boolean> {
    const session = this.#live.get(key)
    if (!session) return false
    await this.#delete(this.#drop(session, reason, tokens))
    return true
  }

  /**
   * Like end(), but if the store does not answer, sweep() writes later.
   * @returns whether it is written
   */
  async endAnyway(session: LiveSession, reason: string, tokens?: EndOfTokens): Promise<boolean> {
    try {
      await this.end(session.key, reason, tokens)
      return true
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      this.#log.warn({ user: session.row.subject, error: reason }, 'the end of a session is not written yet')
      return false
    }
  }

  /**
   * Takes over the provider's current claims, and cuts exchanges that they no longer allow. Written in the background.
   */
  renew(
    session: LiveSession,
    claims: VisitorClaims,
    { claimsAt, freshMs }: { claimsAt: number; freshMs: number },
  ): void {
    const held = session as Held // as in touch()
    if (held.ended) return
    const { edge, auth_id, issuer, client_id, cookie_domain, device, created, expires, idle_ms } = held.row
    this.#take(held, {
      edge,
      auth_id,
      issuer,
      client_id,
      ...(cookie_domain !== undefined && { cookie_domain }),
      ...claims,
      ...(device !== undefined && { device }),
      created,
      last_seen: held.lastSeen,
      expires,
      idle_ms,
      claims_at: claimsAt,
      fresh_ms: freshMs,
    })
    this.#writer.writeClaims(held)
  }

  /** Called for a session with exchanges under way, about every second while its claims are due. */
  whenDue(listener: (session: LiveSession) => void): void {
    this.#whenDue = listener
  }

  /**
   * Called for a session that was ended on purpose, with the only copy of its tokens; without tokens if another process
   * has ended it and left them in the store.
   */
  whenRevoked(listener: RevokedListener): void {
    this.#whenRevoked = listener
  }

  /** Ends sessions whose sign-in is gone, in memory at once and in the store later. Returns their number. */
  endWhere(isStale: (session: LiveSession) => boolean, reason: string): number {
    let count = 0
    for (const session of this.#live.values()) {
      if (!isStale(session)) continue
      this.#drop(session, reason)
      count++
    }
    return count
  }

  /** Every current session. For rare uses: there may be very many. */
  all(): Iterable<LiveSession> {
    return this.#live.values()
  }

  list(): SessionSummary[] {
    return Array.from(this.#live.values(), summaryOf)
  }

  /**
   * Ends expired sessions, and cuts exchanges that last longer than their route allows. Runs by itself every second.
   */
  sweep(): void {
    const now = this.#clock()
    for (const session of this.#busy) {
      // An exchange under way counts as use of the session. So a WebSocket ends at the hard limit, and not because
      // there are no new requests.
      this.touch(session, now)
      if (now >= session.expires) this.#drop(session, 'expired')
      else {
        this.#cutOverdue(session, now)
        if (now >= session.due) this.#whenDue(session)
      }
    }
    // While the store is down, no process learns which sessions another one has seen, and some reports come later still.
    if (!this.#store.healthy) this.#informedSince = now
    const isInformed = now - this.#informedSince > 2 * WRITE_LAST_SEEN_MS
    this.#sweeping ??= this.#live.values()
    for (let looked = 0; looked < SWEEP_IDLE; looked++) {
      const { value: session, done } = this.#sweeping.next()
      if (done) {
        this.#sweeping = undefined
        break
      }
      if (now >= session.expires) this.#drop(session, 'expired')
      else if (isInformed && now - session.lastSeen >= session.row.idle_ms)
        this.#drop(session, 'expired', 'dropped', session.revision)
      // Requests leave an empty set behind, so that a busy session reuses it; the sweep gives it back.
      else if (session.exchanges?.size === 0) session.exchanges = undefined
    }
    let deleting = 0
    for (const [key, ended] of this.#ended) {
      if (!ended.deleted) {
        if (this.#store.healthy && deleting++ < SWEEP_DELETES) this.#writer.run(() => this.#delete(ended))
      } else if (now - ended.at > FORGET_ENDED_MS) this.#ended.delete(key)
    }
  }

  /** Stops following the store and waits for writes under way. The sessions stay in the store. */
  async close(): Promise<void> {
    clearInterval(this.#sweeper)
    this.#watching.abort()
    await this.#writer.settled()
  }

  #follow({ key, value, unreadable, revision }: Change<SessionRow>): void {
    if (unreadable) return // nobody has ended it
    const known = this.#live.get(key)
    if (value === undefined) {
      this.#ended.delete(key)
      if (!known || revision < known.revision) return
      this.#forget(known, 'revoked')
      if (!this.#store.healthy) return
      // Deleted before its time, so on purpose. An expired session ends nothing else.
      const now = this.#clock()
      if (now < known.expires && now - known.lastSeen < known.row.idle_ms)
        this.#whenRevoked(known, undefined, 'revoked')
      else this.#writer.run(() => this.tokens.drop(key))
      return
    }
    if (this.#ended.has(key)) return
    this.#lookUps.noteKnown(key)
    if (known) {
      if (revision <= known.revision) return
      known.revision = revision
      if (value.claims_at > known.row.claims_at) this.#take(known, value) // another process has asked the provider
      if (value.last_seen > known.lastSeen) {
        known.lastSeen = value.last_seen
        known.address = this.#texts.once(value.address)
      }
      return
    }
    this.#live.set(key, {
      key,
      scope: this.#texts.once(sessionScope(value)),
      row: slimRow(value, this.#texts),
      created: value.created,
      expires: value.expires,
      lastSeen: value.last_seen,
      address: this.#texts.once(value.address),
      ended: false,
      due: dueOf(value),
      identities: undefined,
      exchanges: undefined,
      place: -1,
      revision,
      lastWritten: value.last_seen,
      writing: false,
    })
    this.#perSubject.set(value.subject, (this.#perSubject.get(value.subject) ?? 0) + 1)
  }

  #take(session: Held, row: SessionRow): void {
    session.row = slimRow(row, this.#texts)
    session.due = dueOf(row)
    session.identities = undefined
    for (const { exchange, route } of session.exchanges ?? []) {
      if (!route.admits(session)) exchange.cut(endOf('no longer allowed'))
    }
  }

  /** Ends it here; the store must still be told. @param atRevision as Ended has it */
  #drop(session: Held, reason: string, tokens: EndOfTokens = 'dropped', atRevision?: number): Ended {
    const ended = { at: this.#clock(), deleted: false, atRevision, session, tokens }
    this.#ended.set(session.key, ended)
    this.#forget(session, reason)
    return ended
  }

  #forget(session: Held, reason: string): void {
    session.ended = true
    this.#live.delete(session.key)
    this.#busy.delete(session)
    const { subject } = session.row
    const left = (this.#perSubject.get(subject) ?? 1) - 1
    if (left > 0) this.#perSubject.set(subject, left)
    else this.#perSubject.delete(subject)
    const { exchanges } = session
    session.exchanges = undefined
    for (const { exchange } of exchanges ?? []) exchange.cut(endOf(reason))
  }

  /** Cuts exchanges whose route allows less time than the session may last. */
  #cutOverdue(session: Held, now: number): void {
    for (const { exchange, route } of session.exchanges ?? []) {
      if (!checkSession(session, route.rules, now).ok) exchange.cut(endOf('expired'))
    }
  }

  async #delete(ended: Ended): Promise<void> {
    const { key } = ended.session
    const kept = ended.tokens === 'dropped' ? undefined : await this.tokens.read(key, this.#clock())
    if (!(await this.#deleteStored(ended))) return this.#takeBack(key)
    if (ended.deleted) return // tried twice
    ended.deleted = true
    if (kept) this.#whenRevoked(ended.session, kept.tokens, ended.tokens)
  }

  /** Returns whether it has really ended. */
  async #deleteStored({ session: { key }, atRevision }: Ended): Promise<boolean> {
    const options = atRevision === undefined ? {} : { expectedRevision: atRevision }
    try {
      await this.#store.commit([this.#bucket.deleting(key, options), this.tokens.dropping(key)])
    } catch (error) {
      if (!(error instanceof StoreConflict)) throw error
      return false
    }
    return true
  }

  /** Holds a session again that another process has seen in use. */
  async #takeBack(key: string): Promise<void> {
    const entry = await this.#bucket.get(key)
    this.#ended.delete(key)
    if (entry) this.#follow({ key, ...entry })
  }

  async #limit({ subject, ...of }: SessionRow): Promise<void> {
    if ((this.#perSubject.get(subject) ?? 0) <= MAX_PER_SUBJECT) return
    const scope = sessionScope(of)
    const own = [...this.#live.values()].filter((one) => one.row.subject === subject && one.scope === scope)
    const surplus = own.toSorted((a, b) => b.lastSeen - a.lastSeen).slice(MAX_PER_SUBJECT)
    for (const session of surplus) await this.endAnyway(session, 'too many sessions')
  }
}

function dueOf({ claims_at, fresh_ms }: SessionRow): number {
  return fresh_ms === undefined ? Infinity : claims_at + fresh_ms
}

function endOf(reason: string): Error {
  return new Error(`the visitor's session has ended: ${reason}`)
}

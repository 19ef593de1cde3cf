// The visitor sessions: all of them in memory, and in the store so that they outlive the relay. A request looks in
// memory only. The id that a browser holds is nowhere kept; its SHA-256 is the key. Tokens stay in the store.

import { randomBytes } from 'node:crypto'

import { Attempts } from '../../exchange/attempts.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import { Roster } from '../../exchange/roster.ts'
import type { Listed } from '../../exchange/roster.ts'
import type { Logger } from '../../log.ts'
import { StoreConflict, type Bucket, type Change, type Store } from '../../store/store.ts'
import type { SignedIdentity } from '../signed-identity.ts'
import type { Boxes } from './boxes.ts'
import { checkSession, type SessionRules } from './session-check.ts'
import { SESSIONS_BUCKET, parseSessionRow, sessionKey, sessionName, sessionScope } from './session-row.ts'
import type { SessionRow } from './session-row.ts'
import { SessionTokens, type Tokens } from './session-tokens.ts'
import type { VisitorClaims } from './verified-claims.ts'

const ID_BYTES = 32
const ID_CHARS = 43 // 32 bytes in base64url
const WRITE_LAST_SEEN_MS = 60_000
const SWEEP_MS = 1000 // expiry ends open WebSockets and event streams within this time
const SWEEP_IDLE = 5000 // sessions looked at in one sweep: a request checks its own, so the others have time
const TTL_SLACK_MS = 5 * 60_000 // last-seen reaches the store late
const MAX_PER_SUBJECT = 100 // a person has fewer browsers; beyond it the least recently used goes
const FORGET_ENDED_MS = 10 * 60_000
const LOOK_UPS_PER_MINUTE = 30 // of one address: a browser has one unknown cookie, a flood has many
const MAX_LOOK_UPS = 16 // under way at once, so that sign-ins do not queue behind a flood
const LOOK_UP_MS = 1000
const MAX_UNKNOWN = 10_000
const MAX_SHARED = 10_000
const SWEEP_DELETES = 1000 // of one second, so that a store in trouble is not told everything at once
const CLAIMS_TRIES = 4 // other processes write last-seen once a minute

/** A session in memory. There may be a hundred thousand, so what most of them do not need is made when first needed. */
export interface LiveSession {
  /** The SHA-256 of the visitor's session id. */
  readonly key: string
  readonly scope: string
  /** Another object as soon as anything of it but the times has changed. */
  row: SessionRow
  readonly created: number
  readonly expires: number
  lastSeen: number
  /** Where the visitor was seen last. */
  address: string | undefined
  /** True once it was signed out, revoked or has expired. */
  ended: boolean
  /** When the provider is to be asked again what it says about the visitor; Infinity where it cannot be asked. */
  due: number
  /** Who the visitor is, by how a route reads the claims; made when first needed and shared by all requests. */
  identities: Map<string, SignedIdentity> | undefined
  /** What is under way at the moment, to be cut when the session ends, and the route that lets it go on. */
  exchanges: Roster<SessionUse> | undefined
}

/** An exchange under way in a session. */
export interface SessionUse extends Listed {
  readonly exchange: Exchange
  readonly route: SessionRoute
}

/** Whether the tokens of a session that ends are given back to the provider, and when; see TokenRevocation. */
export type EndOfTokens = 'dropped' | 'revoked' | 'revoked after sign-out'

/** What a route asks of a session for as long as an exchange takes. */
export interface SessionRoute {
  readonly rules: SessionRules
  /** Whether the visitor may go on, by what the provider says now. */
  admits(session: LiveSession): boolean
}

/** What the operator sees of a session. */
export interface SessionSummary {
  /** `ses_…` */
  id: string
  edge: string
  authId: string
  issuer: string
  subject: string
  name?: string
  email?: string
  device?: string
  address?: string
  createdAt: number
  lastSeenAt: number
  expiresAt: number
  exchanges: number
}

export interface SessionsInit {
  store: Store
  boxes: Boxes
  clock: () => number
  log: Logger
}

/** Its place is that among the busy. */
interface Stored extends Listed {
  revision: number
  lastWritten: number
  writing: boolean
}

type Held = LiveSession & Stored

interface Ended {
  at: number
  deleted: boolean
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
  /** Those with something under way. */
  readonly #busy = new Roster<Held>()
  /** How many each person has; a subject of several providers counts as one. */
  readonly #perSubject = new Map<string, number>()
  /** Ended here; until the store has told so, what it says about them is old. */
  readonly #ended = new Map<string, Ended>()
  /** Names that many sessions share, once in memory. */
  readonly #shared = new Map<string, string>()
  readonly #lookUps = new Map<string, Promise<LiveSession | undefined>>()
  readonly #lookUpsOfAddress = new Attempts(LOOK_UPS_PER_MINUTE)
  /** Cookies that name no session, so that each asks the store once. */
  readonly #unknown = new Set<string>()
  readonly #writes = new Set<Promise<void>>()
  readonly #watching = new AbortController()
  #whenDue: (session: LiveSession) => void = () => {}
  #whenRevoked: RevokedListener = () => {}
  #sweeper: NodeJS.Timeout | undefined
  #sweeping: MapIterator<Held> | undefined

  private constructor({ store, boxes, clock, log }: SessionsInit) {
    this.tokens = new SessionTokens(store, boxes)
    this.#store = store
    this.#bucket = store.bucket(SESSIONS_BUCKET, parseSessionRow)
    this.#clock = clock
    this.#log = log
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
   * a moment ago. Undefined at once where that makes no sense: asked before, asked too much, or the store is down.
   */
  lookUp(id: string | undefined, address: string): Promise<LiveSession | undefined> | undefined {
    if (id === undefined || id.length !== ID_CHARS || !this.#store.healthy) return undefined
    const key = sessionKey(id)
    if (this.#unknown.has(key) || this.#ended.has(key)) return undefined
    const underWay = this.#lookUps.get(key)
    if (underWay) return underWay
    if (this.#lookUps.size >= MAX_LOOK_UPS || !this.#lookUpsOfAddress.take(address, this.#clock())) return undefined
    const asking = this.#ask(key).finally(() => this.#lookUps.delete(key))
    this.#lookUps.set(key, asking)
    return asking
  }

  /** Answers with a fresh id for the browser. Throws `StoreUnavailable`: a session that cannot be kept is none. */
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

  /** Notes that the session was used just now. Written at most once a minute, and never waited for. */
  touch(session: LiveSession, now: number, address = session.address): void {
    session.lastSeen = now
    session.address = address
    const stored = session as Held // every session of ours is one
    if (now - stored.lastWritten >= WRITE_LAST_SEEN_MS) this.#writeLastSeen(stored, now)
  }

  /** Notes what is under way in a session, to be cut when the session ends. Goes out by leave(). */
  enter(session: LiveSession, exchange: Exchange, route: SessionRoute): SessionUse {
    const use = { exchange, route, place: -1 }
    session.exchanges ??= new Roster()
    session.exchanges.add(use)
    this.#busy.add(session as Held) // as in touch()
    return use
  }

  leave(session: LiveSession, use: SessionUse): void {
    session.exchanges?.delete(use)
    if (!session.exchanges?.size) this.#busy.delete(session as Held)
  }

  /** Ends a session at once, with everything under way in it. Answers whether there was one. */
  async end(key: string, reason: string, tokens: EndOfTokens = 'dropped'): Promise<boolean> {
    const session = this.#live.get(key)
    if (!session) return false
    await this.#delete(this.#drop(session, reason, tokens))
    return true
  }

  /** Like end(), but a store that does not answer only delays the writing: sweep() tells it again. */
  async endAnyway(session: LiveSession, reason: string, tokens?: EndOfTokens): Promise<void> {
    try {
      await this.end(session.key, reason, tokens)
    } catch (error) {
      this.#log.warn({ error: messageOf(error) }, 'the end of a session is not written yet')
    }
  }

  /** Takes over what the provider says now, and cuts what it no longer allows. Written behind the caller's back. */
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
    this.#run(() => this.#writeClaims(held))
  }

  /** Called for a session with something under way, about every second while its claims are due. */
  whenDue(listener: (session: LiveSession) => void): void {
    this.#whenDue = listener
  }

  /**
   * Called for a session that was ended on purpose, with its tokens, which are nowhere else any more; without them where
   * another process has ended it and left them in the store.
   */
  whenRevoked(listener: RevokedListener): void {
    this.#whenRevoked = listener
  }

  /** Ends sessions whose sign-in is gone, in memory at once and in the store as it goes. Answers with how many. */
  endWhere(isStale: (session: LiveSession) => boolean, reason: string): number {
    let count = 0
    for (const session of this.#live.values()) {
      if (!isStale(session)) continue
      this.#drop(session, reason)
      count++
    }
    return count
  }

  /** Every session at the moment. For rare things: there may be very many. */
  all(): Iterable<LiveSession> {
    return this.#live.values()
  }

  list(): SessionSummary[] {
    return Array.from(this.#live.values(), (session) => {
      const { edge, auth_id, issuer, subject, name, email, device } = session.row
      return {
        id: sessionName(session.key),
        edge,
        authId: auth_id,
        issuer,
        subject,
        ...(name !== undefined && { name }),
        ...(email !== undefined && { email }),
        ...(device !== undefined && { device }),
        ...(session.address !== undefined && { address: session.address }),
        createdAt: session.created,
        lastSeenAt: session.lastSeen,
        expiresAt: session.expires,
        exchanges: session.exchanges?.size ?? 0,
      }
    })
  }

  /** Ends what has expired, and cuts what goes on longer than its route allows. Runs by itself every second. */
  sweep(): void {
    const now = this.#clock()
    for (const session of this.#busy) {
      // An exchange under way is use: a WebSocket ends at the hard limit, not for want of new requests.
      this.touch(session, now)
      if (now >= session.expires) this.#drop(session, 'expired')
      else {
        this.#cutOverdue(session, now)
        if (now >= session.due) this.#whenDue(session)
      }
    }
    this.#sweeping ??= this.#live.values()
    for (let looked = 0; looked < SWEEP_IDLE; looked++) {
      const { value: session, done } = this.#sweeping.next()
      if (done) {
        this.#sweeping = undefined
        break
      }
      if (now >= session.expires || now - session.lastSeen >= session.row.idle_ms) this.#drop(session, 'expired')
      // Made for the busy, and not given back by every one of their requests.
      else if (session.exchanges?.size === 0) session.exchanges = undefined
    }
    let deleting = 0
    for (const [key, ended] of this.#ended) {
      if (!ended.deleted) {
        if (this.#store.healthy && deleting++ < SWEEP_DELETES) this.#run(() => this.#delete(ended))
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
      if (!known || revision < known.revision) return
      this.#forget(known, 'revoked')
      if (!this.#store.healthy) return
      // Deleted before its time, so on purpose. What has come to its end by itself ends nothing else.
      const now = this.#clock()
      if (now < known.expires && now - known.lastSeen < known.row.idle_ms)
        this.#whenRevoked(known, undefined, 'revoked')
      else this.#run(() => this.tokens.drop(key))
      return
    }
    if (this.#ended.has(key)) return
    this.#unknown.delete(key)
    if (known) {
      if (revision <= known.revision) return
      known.revision = revision
      if (value.claims_at > known.row.claims_at) this.#take(known, value) // another process has asked the provider
      if (value.last_seen > known.lastSeen) {
        known.lastSeen = value.last_seen
        known.address = this.#once(value.address)
      }
      return
    }
    this.#live.set(key, {
      key,
      scope: this.#once(sessionScope(value)),
      row: this.#slim(value),
      created: value.created,
      expires: value.expires,
      lastSeen: value.last_seen,
      address: this.#once(value.address),
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
    session.row = this.#slim(row)
    session.due = dueOf(row)
    session.identities = undefined
    for (const { exchange, route } of session.exchanges ?? []) {
      if (!route.admits(session)) exchange.cut(endOf('no longer allowed'))
    }
  }

  /** The row with every text that others have too taken from them. */
  #slim(row: SessionRow): SessionRow {
    const groups = Object.entries(row.groups).map(
      ([claim, list]) => [this.#once(claim), list.map((group) => this.#once(group))] as const,
    )
    return {
      ...row,
      edge: this.#once(row.edge),
      auth_id: this.#once(row.auth_id),
      issuer: this.#once(row.issuer),
      client_id: this.#once(row.client_id),
      groups: Object.fromEntries(groups),
      ...(row.device !== undefined && { device: this.#once(row.device) }),
    }
  }

  #once<T extends string | undefined>(text: T): T {
    if (text === undefined) return text
    const known = this.#shared.get(text)
    if (known !== undefined) return known as T // the same text
    if (this.#shared.size >= MAX_SHARED) this.#shared.clear()
    this.#shared.set(text, text)
    return text
  }

  /** Ends it here; the store is to be told. */
  #drop(session: Held, reason: string, tokens: EndOfTokens = 'dropped'): Ended {
    const ended = { at: this.#clock(), deleted: false, session, tokens }
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

  /** What a route lets go on for less time than the session may last. */
  #cutOverdue(session: Held, now: number): void {
    for (const { exchange, route } of session.exchanges ?? []) {
      if (!checkSession(session, route.rules, now).ok) exchange.cut(endOf('expired'))
    }
  }

  async #delete(ended: Ended): Promise<void> {
    const { key } = ended.session
    const kept = ended.tokens === 'dropped' ? undefined : await this.tokens.read(key, this.#clock())
    await Promise.all([this.#bucket.delete(key), this.tokens.drop(key)])
    if (ended.deleted) return // tried twice
    ended.deleted = true
    if (kept) this.#whenRevoked(ended.session, kept.tokens, ended.tokens)
  }

  async #limit({ subject, ...of }: SessionRow): Promise<void> {
    if ((this.#perSubject.get(subject) ?? 0) <= MAX_PER_SUBJECT) return
    const scope = sessionScope(of)
    const own = [...this.#live.values()].filter((one) => one.row.subject === subject && one.scope === scope)
    const surplus = own.toSorted((a, b) => b.lastSeen - a.lastSeen).slice(MAX_PER_SUBJECT)
    for (const session of surplus) await this.endAnyway(session, 'too many sessions')
  }

  async #ask(key: string): Promise<LiveSession | undefined> {
    const late = Promise.withResolvers<undefined>()
    const timer = setTimeout(() => late.resolve(undefined), LOOK_UP_MS)
    const asked = this.#bucket.get(key).then((entry) => {
      if (entry) this.#follow({ key, value: entry.value, revision: entry.revision })
      else this.#noteUnknown(key)
      return this.#live.get(key)
    })
    try {
      return await Promise.race([asked.catch(() => undefined), late.promise]) // the store tells of its trouble itself
    } finally {
      clearTimeout(timer)
    }
  }

  #noteUnknown(key: string): void {
    this.#unknown.add(key)
    if (this.#unknown.size <= MAX_UNKNOWN) return
    const oldest = this.#unknown.values().next()
    if (!oldest.done) this.#unknown.delete(oldest.value)
  }

  #writeLastSeen(session: Held, now: number): void {
    if (session.ended || session.writing || !this.#store.healthy) return
    session.lastWritten = now
    session.writing = true
    this.#run(async () => {
      try {
        const { row, address } = session
        const seen = { ...row, last_seen: now, ...(address !== undefined && { address }) }
        // Only over what we know: a session that someone else has ended stays ended.
        session.revision = await this.#bucket.put(session.key, seen, {
          expectedRevision: session.revision,
          ttlMs: timeToLive(seen, now),
        })
      } finally {
        session.writing = false
      }
    })
  }

  /** Over whatever else has been written, unless that was the end. */
  async #writeClaims(session: Held): Promise<void> {
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
      if (!entry) return // ended elsewhere, as the watch will tell
      session.revision = Math.max(session.revision, entry.revision)
    }
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

function dueOf({ claims_at, fresh_ms }: SessionRow): number {
  return fresh_ms === undefined ? Infinity : claims_at + fresh_ms
}

function endOf(reason: string): Error {
  return new Error(`the visitor's session has ended: ${reason}`)
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function timeToLive(row: SessionRow, now: number): number {
  return Math.max(1, Math.min(row.expires - now, row.idle_ms + TTL_SLACK_MS))
}

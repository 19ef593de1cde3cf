// Asks the provider again for the claims of a signed-in visitor, with the refresh token of the session. If many
// requests need this at once, even in several processes, the provider is asked once. Its answer decides:
//
//   new tokens         kept, then verified as at the sign-in; `allow` sees the new claims with the next request
//   invalid_grant      the provider has ended it: the session ends, too
//   no usable answer   the session continues with the known claims, until its hard limit; asked again after a pause

import type { OnFault } from '../../exchange/border.ts'
import type { Logger } from '../../log.ts'
import { StoreConflict, StoreUnavailable } from '../../store/store.ts'
import type { Registration } from '../registration/registration.ts'
import type { Sessions } from '../../session/sessions.ts'
import type { Tokens } from '../../session/session-tokens.ts'
import type { LiveSession } from '../../session/live-session.ts'

const MAX_WAIT_MS = 2000 // healthy providers answer within one second
/**
 * For so long after a failure, no request waits, unless an answer has come since. After that, one request waits again
 * as a trial.
 */
const DOUBT_MS = 10 * 60_000
const MAX_UNSAVED = 1000
const MAX_AT_ONCE = 64 // after a restart all sessions are due
const MAX_PAUSES = 1000 // agents name providers of their own
const FIRST_PAUSE_MS = 5000
const LONGEST_PAUSE_MS = 60_000
const REFUSED_PAUSE_MS = 5 * 60_000 // after a refusal, a setting must change first
const TAKEN_MS = 60_000 // longer than discovery, keys, token and userinfo may take together
const ELSEWHERE_MS = 2000 // another process is asking: its answer comes with the watch

interface Taken {
  tokens: Tokens
  revision: number
}

interface Asking {
  /** Never rejects. */
  done: Promise<void>
  /**
   * `done`, or a timeout that is counted from the arrival of the first waiting exchange and is the same for all of
   * them.
   */
  awaited?: Promise<void>
}

interface Parts {
  sessions: Sessions
  clock: () => number
  log: Logger
  onFault: OnFault
  /** A registration that takes sessions of this scope; undefined if none does any more. */
  registrationOf(scope: string): Registration | undefined
}

export class ClaimsRefresh {
  readonly #parts: Parts
  readonly #underWay = new Map<string, Asking>()
  /** By issuer, from a failure to the next answer. */
  readonly #pauses = new Map<string, { until: number; ms: number }>()
  /** Issuers for which a request has waited in vain while the attempt is still running. */
  readonly #late = new Set<string>()
  /** New tokens that the store could not take. They are kept here, because the old ones may be invalid now. */
  readonly #unsaved = new Map<string, Tokens>()

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /**
   * For a request in a session whose claims are due. The provider is asked in the background, unless the claims are
   * older than twice their time: then the request waits, for two seconds at most, and not for a provider that has just
   * failed to answer. Never rejects.
   */
  freshen(session: LiveSession, now: number): Promise<void> | undefined {
    const asking = this.#start(session)
    const { claims_at, fresh_ms = 0, issuer } = session.row
    if (!asking || now < claims_at + 2 * fresh_ms || this.#isDoubtful(issuer, now)) return undefined
    return (asking.awaited ??= this.#wait(asking, issuer))
  }

  /**
   * Starts a refresh, or joins one under way. The promise never rejects. Undefined if waiting would not help, because
   * the provider does not answer at present, or too many refreshes are under way.
   */
  refresh(session: LiveSession): Promise<void> | undefined {
    return this.#start(session)?.done
  }

  #start(session: LiveSession): Asking | undefined {
    const underWay = this.#underWay.get(session.key)
    if (underWay) return underWay
    const pause = this.#pauses.get(session.row.issuer)
    if (this.#underWay.size >= MAX_AT_ONCE || (pause && this.#parts.clock() < pause.until)) return undefined
    const done = this.#ask(session)
      .catch((error: unknown) => this.#noteFault(session, error))
      .finally(() => this.#underWay.delete(session.key))
    const asking: Asking = { done }
    this.#underWay.set(session.key, asking)
    return asking
  }

  #isDoubtful(issuer: string, now: number): boolean {
    const pause = this.#pauses.get(issuer)
    return this.#late.has(issuer) || (pause !== undefined && now < pause.until + DOUBT_MS)
  }

  async #wait({ done }: Asking, issuer: string): Promise<void> {
    const late = Promise.withResolvers<'late'>()
    const timer = setTimeout(() => late.resolve('late'), MAX_WAIT_MS)
    try {
      if ((await Promise.race([done, late.promise])) !== 'late') return
      this.#late.add(issuer)
      void done.then(() => this.#late.delete(issuer)) // by then it has answered, or its failure is noted
    } finally {
      clearTimeout(timer)
    }
  }

  /** Waits for refreshes under way. */
  async close(): Promise<void> {
    await Promise.all(Array.from(this.#underWay.values(), ({ done }) => done))
  }

  async #ask(session: LiveSession): Promise<void> {
    const { sessions, clock, log } = this.#parts
    const { edge, issuer, subject: user } = session.row
    const registration = this.#parts.registrationOf(session.scope)
    if (!registration) {
      session.due = clock() + REFUSED_PAUSE_MS // its sign-in is gone; an agent's endpoint may bring it back
      return
    }
    const begun = clock()
    let taken: Taken | undefined
    try {
      taken = await this.#take(session)
      if (!taken) return
      const { redeemRefreshToken } = await import('./redeem-refresh-token.ts') // loaded with the first sign-in
      const keep = (tokens: Tokens): Promise<void> => this.#keep(session, tokens, taken!) // it was, just above
      const { tokens, claims, freshMs } = await redeemRefreshToken(session, registration, taken.tokens, { clock, keep })
      this.#pauses.delete(issuer)
      if (claims.subject !== session.row.subject) {
        log.warn({ edge, issuer, user }, 'a refresh token now belongs to somebody else: its session ends')
        return void (await sessions.endAnyway(session, 'the provider named somebody else'))
      }
      // The time of the sign-in and the provider's session are kept, even if this answer does not have them.
      const { auth_time, sid } = session.row
      const kept = { ...(auth_time !== undefined && { auth_time }), ...(sid !== undefined && { sid }) }
      sessions.renew(session, { ...kept, ...claims }, { claimsAt: begun, freshMs })
      if (tokens.refreshToken === undefined) session.due = Infinity
    } catch (error) {
      await this.#fail(session, taken, error)
    }
  }

  /**
   * Takes the tokens, so that no other process uses them; undefined if another process has taken them, or there are
   * none.
   */
  async #take(session: LiveSession): Promise<Taken | undefined> {
    const { sessions, clock } = this.#parts
    const { key, row } = session
    const now = clock()
    const kept = await sessions.tokens.read(key, now)
    if (session.ended) return undefined
    if (!kept) {
      session.due = Infinity // lost, or sealed with another relay key
      return undefined
    }
    if (kept.takenUntil > now) {
      session.due = now + ELSEWHERE_MS
      return undefined
    }
    const tokens = this.#unsaved.get(key) ?? kept.tokens
    if (tokens.refreshToken === undefined) {
      session.due = Infinity
      return undefined
    }
    const revision = await sessions.tokens.keep(key, tokens, {
      expires: row.expires,
      expectedRevision: kept.revision,
      now,
      takenUntil: now + TAKEN_MS,
    })
    this.#unsaved.delete(key)
    return { tokens, revision }
  }

  /** If the store fails here, the session must not lose its only valid refresh token. */
  async #keep({ key, row }: LiveSession, tokens: Tokens, taken: Taken): Promise<void> {
    const { sessions, clock } = this.#parts
    try {
      const { revision: expectedRevision } = taken
      taken.revision = await sessions.tokens.keep(key, tokens, { expires: row.expires, expectedRevision, now: clock() })
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error
      if (this.#unsaved.size < MAX_UNSAVED) this.#unsaved.set(key, tokens)
    }
  }

  async #fail(session: LiveSession, taken: Taken | undefined, error: unknown): Promise<void> {
    const { sessions, clock, log } = this.#parts
    const { edge, issuer, subject: user } = session.row
    if (session.ended || error instanceof StoreConflict) return // ended, or taken by another process a moment ago
    const { hasEnded, isUnreachable, reasonOf } = await import('./redeem-refresh-token.ts')
    if (hasEnded(error)) {
      log.info({ edge, issuer, user, reason: reasonOf(error) }, 'the provider has ended a session')
      return void (await sessions.endAnyway(session, 'the provider has ended it'))
    }
    const now = clock()
    const reason = reasonOf(error)
    if (isUnreachable(error)) {
      const before = this.#pauses.get(issuer)?.ms
      const ms = before === undefined ? FIRST_PAUSE_MS : Math.min(before * 2, LONGEST_PAUSE_MS)
      if (this.#pauses.size >= MAX_PAUSES) this.#pauses.clear()
      this.#pauses.set(issuer, { until: now + ms, ms })
      log.warn({ edge, issuer, user, reason, retryInMs: ms }, 'claims could not be refreshed')
    } else {
      session.due = now + REFUSED_PAUSE_MS
      log.warn({ edge, issuer, user, reason, retryInMs: REFUSED_PAUSE_MS }, 'claims could not be refreshed')
    }
    if (taken) await this.#giveBack(session, taken)
  }

  /** An unexpected error of a provider or of the relay. Nobody awaits this promise, so it must not reject. */
  #noteFault(session: LiveSession, error: unknown): void {
    const { clock, onFault } = this.#parts
    const { edge, issuer, subject: user } = session.row
    session.due = clock() + REFUSED_PAUSE_MS
    onFault(error, 'provider_request', { edge, issuer, user })
  }

  /** Without this, the next attempt would take this process for another one. */
  async #giveBack({ key, row }: LiveSession, { tokens, revision }: Taken): Promise<void> {
    const { sessions, clock } = this.#parts
    try {
      const kept = await sessions.tokens.read(key, clock())
      if (kept?.revision !== revision || kept.takenUntil === 0) return
      await sessions.tokens.keep(key, tokens, { expires: row.expires, expectedRevision: revision, now: clock() })
    } catch {
      // The store is down, or the session has ended. The taken tokens are free again after TAKEN_MS.
    }
  }
}

// Revokes the tokens of sessions that were ended on purpose, in the background: a sign-out does not wait for it, and
// cannot fail because of it. Each revocation is tried once, and the relay then keeps no token, whatever the result is.
// The queue is bounded, and so are concurrent requests to a provider.

import type { SignInParts } from '../sign-in/parts.ts'
import type { Tokens } from '../../session/session-tokens.ts'
import type { LiveSession } from '../../session/live-session.ts'

/**
 * How long the revocation waits after a sign-out, so that the browser can first end the session at the provider. If a
 * refresh token is revoked earlier, Keycloak forgets that the person's sessions, in all browsers, used this client, and
 * can then not report a sign-out to the relay. If its session has ended before, the revocation ends nothing else.
 */
const AFTER_SIGN_OUT_MS = 60_000 // as long as the browser's hint is valid
const MAX_LATER = 1000
const MAX_DUE = 10_000 // `relay session revoke --all`
const MAX_AT_ONCE = 8
const MAX_PAUSES = 1000 // agents name providers of their own
const PAUSE_MS = 60_000 // a provider that does not answer is spared the rest
const LOOK_MS = 1000
const GOODBYE_MS = 3000

interface Job {
  session: LiveSession
  /** Undefined if they are still in the store. */
  tokens: Tokens | undefined
  from: number
}

type Parts = Pick<SignInParts, 'sessions' | 'clock' | 'log' | 'onFault' | 'registrationOf'>

export class TokenRevocation {
  readonly #parts: Parts
  /** The oldest first. */
  readonly #later: Job[] = []
  readonly #due: Job[] = []
  readonly #underWay = new Set<Promise<void>>()
  /** By issuer: the time until which it is not asked. */
  readonly #pauses = new Map<string, number>()
  #timer: NodeJS.Timeout | undefined

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /**
   * @param tokens of the session; undefined if another process has ended it, so that they must be taken from the store
   * @param afterSignOut whether a browser is on its way to the provider
   */
  add(session: LiveSession, tokens: Tokens | undefined, afterSignOut: boolean): void {
    if (tokens && tokens.refreshToken === undefined && tokens.accessToken === undefined) return
    if (afterSignOut && this.#later.length < MAX_LATER) {
      this.#later.push({ session, tokens, from: this.#parts.clock() + AFTER_SIGN_OUT_MS })
      this.#timer ??= setInterval(() => this.#look(), LOOK_MS).unref()
      return
    }
    if (this.#due.length === MAX_DUE) {
      this.#parts.log.warn(
        { edge: session.row.edge, user: session.row.subject },
        'too many sessions have ended at once to revoke all of their tokens',
      )
      return
    }
    this.#due.push({ session, tokens, from: 0 })
    this.#pump()
  }

  /** Waiting revocations start at once; those that are not done after three seconds are dropped. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    for (const job of this.#later.splice(0)) this.#due.push(job)
    this.#pump()
    const late = Promise.withResolvers<void>()
    const timer = setTimeout(late.resolve, GOODBYE_MS)
    const finish = async (): Promise<void> => {
      while (this.#underWay.size > 0) await Promise.race(this.#underWay)
    }
    await Promise.race([finish(), late.promise])
    clearTimeout(timer)
    this.#due.length = 0
  }

  #look(): void {
    const now = this.#parts.clock()
    while (this.#later[0] && now >= this.#later[0].from) this.#due.push(this.#later.shift()!) // it existed just now
    if (this.#later.length === 0) {
      clearInterval(this.#timer)
      this.#timer = undefined
    }
    this.#pump()
  }

  #pump(): void {
    while (this.#underWay.size < MAX_AT_ONCE) {
      const job = this.#due.shift()
      if (!job) return
      const running = this.#revoke(job)
        .catch((error: unknown) => this.#parts.onFault(error, 'provider_request'))
        .finally(() => {
          this.#underWay.delete(running)
          this.#pump()
        })
      this.#underWay.add(running)
    }
  }

  async #revoke({ session, tokens: known }: Job): Promise<void> {
    const { sessions, clock, log, registrationOf } = this.#parts
    const { edge, issuer, subject: user } = session.row
    try {
      const tokens = known ?? (await sessions.tokens.take(session.key, clock()))
      const registration = registrationOf(session.scope)
      if (!tokens || !registration || clock() < (this.#pauses.get(issuer) ?? 0)) return
      const { revokeTokens } = await import('./revoke-tokens.ts') // loaded with the first sign-in
      await revokeTokens(tokens, registration)
      this.#pauses.delete(issuer)
    } catch (error) {
      const { isUnreachable, reasonOf } = await import('../tokens/redeem-refresh-token.ts')
      if (isUnreachable(error)) {
        if (this.#pauses.size >= MAX_PAUSES) this.#pauses.clear()
        this.#pauses.set(issuer, clock() + PAUSE_MS)
      }
      log.warn({ edge, issuer, user, reason: reasonOf(error) }, 'tokens could not be revoked at the provider')
    }
  }
}

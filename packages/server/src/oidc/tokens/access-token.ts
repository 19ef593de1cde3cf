// The provider's access token, for apps that call the organisation's APIs on behalf of their visitor. The relay keeps
// it only if a route passes it on: sealed in the store, and in memory for the sessions that use such a route.

import type { Registration } from '../registration/registration.ts'
import type { SessionTokens, Tokens } from '../../session/session-tokens.ts'
import type { LiveSession } from '../../session/live-session.ts'

const MAX_TOKEN = 8192 // as a header: common servers take 16 KiB of headers in total

interface Answer {
  access_token: string
  /** Seconds. */
  expires_in?: number | undefined
}

/**
 * The part of a token endpoint's answer that is kept. A token that is not a valid header value, or is too long for one,
 * is not kept.
 */
export function keptAccessToken(
  { access_token, expires_in }: Answer,
  { needs }: Pick<Registration, 'needs'>,
  now: number,
): Pick<Tokens, 'accessToken'> {
  if (!needs.accessToken || access_token.length > MAX_TOKEN || !/^[\x21-\x7e]+$/.test(access_token)) return {}
  return {
    accessToken: { value: access_token, ...(expires_in !== undefined && { until: now + expires_in * 1000 }) },
  }
}

interface Known {
  claimsAt: number
  token: Tokens['accessToken']
}

export class AccessTokens {
  readonly #tokens: Pick<SessionTokens, 'read'>
  readonly #known = new WeakMap<LiveSession, Known>()

  constructor(tokens: Pick<SessionTokens, 'read'>) {
    this.#tokens = tokens
  }

  /** The token; undefined if there is none that is still valid. It waits for the store once, and after each refresh. */
  async of(session: LiveSession, now: number): Promise<string | undefined> {
    const { claims_at: claimsAt } = session.row
    let known = this.#known.get(session)
    if (known?.claimsAt !== claimsAt) {
      known = { claimsAt, token: await this.#read(session, now) }
      this.#known.set(session, known)
    }
    const { token } = known
    return token && now < (token.until ?? Infinity) ? token.value : undefined
  }

  async #read(session: LiveSession, now: number): Promise<Tokens['accessToken']> {
    try {
      return (await this.#tokens.read(session.key, now))?.tokens.accessToken
    } catch {
      // The store is down. The known token is probably still the right one, and it has its own expiry.
      return this.#known.get(session)?.token
    }
  }
}

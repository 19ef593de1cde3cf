// Tells the expressions of a route about the session of an exchange. The provider's tokens are read from the store for each
// request, and only if an expression reads them: memory does not hold them.

import type { Exchange } from '../../exchange/exchange.ts'
import type { LiveSession } from '../../session/live-session.ts'
import { sessionName } from '../../session/session-row.ts'
import type { Tokens } from '../../session/session-tokens.ts'
import { StoreUnavailable } from '../../store/store.ts'
import type { SignInParts } from '../sign-in/parts.ts'

export type TokenName = 'access_token' | 'identity_token' | 'refresh_token'

export interface SessionTelling {
  /** The tokens that expressions read. */
  readonly tokens: readonly TokenName[]
  /** Called before the exchange continues; `told` is undefined if it passes without a session. */
  tell(exchange: Exchange, told: ToldSession | undefined): void
}

export interface ToldSession {
  /** Its name for people, which is useless as a cookie. */
  readonly id: string
  /** The end of the session if it stays in use, in milliseconds since 1970. */
  readonly expires: number
  /** Whether the claims about the visitor were renewed for this request. */
  readonly isRefreshed: boolean
  readonly tokens: Readonly<Partial<Record<TokenName, string>>>
}

export interface SessionFacts {
  readonly maxMs: number
  readonly isRefreshed: boolean
  readonly now: number
}

export async function toldSession(
  session: LiveSession,
  names: readonly TokenName[],
  { maxMs, isRefreshed, now }: SessionFacts,
  parts: Pick<SignInParts, 'sessions' | 'accessTokens'>,
): Promise<ToldSession> {
  return {
    id: sessionName(session.key),
    expires: Math.min(session.expires, session.created + maxMs),
    isRefreshed,
    tokens: names.length === 0 ? {} : await tokensOf(session, names, now, parts),
  }
}

async function tokensOf(
  session: LiveSession,
  names: readonly TokenName[],
  now: number,
  { sessions, accessTokens }: Pick<SignInParts, 'sessions' | 'accessTokens'>,
): Promise<ToldSession['tokens']> {
  const access = names.includes('access_token') ? await accessTokens.of(session, now) : undefined
  const isKept = names.some((name) => name !== 'access_token')
  const { idToken, refreshToken } = isKept ? await readKept(() => sessions.tokens.read(session.key, now)) : {}
  const all = { access_token: access, identity_token: idToken, refresh_token: refreshToken }
  return Object.fromEntries(names.flatMap((name) => (all[name] === undefined ? [] : [[name, all[name]]])))
}

/** While the store is down there are none, and an expression that needs one refuses the exchange. */
async function readKept(read: () => Promise<{ tokens: Tokens } | undefined>): Promise<Tokens> {
  try {
    return (await read())?.tokens ?? {}
  } catch (error) {
    if (error instanceof StoreUnavailable) return {}
    throw error
  }
}

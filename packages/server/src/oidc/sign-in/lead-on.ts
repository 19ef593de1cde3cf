// Where an answer of the provider comes too late, twice, or to a browser that did not ask: nothing is redeemed, and whoever
// stands there gets on all the same. Somebody with a session goes to the page that was wanted; somebody without finds a
// button that starts anew. Nothing starts by itself, so nothing goes round in circles.

import type { RelayError } from '../../errors.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import { readCookie } from '../../exchange/read-cookie.ts'
import type { SignInParts } from './parts.ts'
import type { Registration } from '../registration/registration.ts'
import { checkSession } from '../../session/session-check.ts'
import { failWithLink, logInPath } from './sign-in-page.ts'

export interface StaleAnswer {
  registration: Registration
  /** A path of this host, as returnTo() has made it. */
  returnTo: string
  /** Why nothing is redeemed. */
  error: RelayError
}

/** Answers with the way on. */
export async function leadOn(
  exchange: Exchange,
  { registration, returnTo, error }: StaleAnswer,
  parts: SignInParts,
): Promise<void> {
  if (await hasSession(exchange, registration, parts)) {
    return exchange.respond(302, {
      location: `${exchange.origin}${returnTo}`,
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
    })
  }
  const href = logInPath(registration, returnTo, { again: '1' })
  failWithLink(exchange, error, { label: ({ ways }) => ways.signInAgain, href })
}

async function hasSession(exchange: Exchange, registration: Registration, parts: SignInParts): Promise<boolean> {
  const { scope, config } = registration
  const id = readCookie(exchange.header('cookie'), registration.cookies(exchange.origin).session)
  const session = parts.sessions.find(id) ?? (await parts.sessions.lookUp(id, exchange.clientIp))
  const rules = { scope, idleMs: config.idle_session_duration, maxMs: config.max_session_duration }
  return checkSession(session, rules, parts.clock()).ok
}

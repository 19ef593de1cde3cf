// Handles an answer of the provider that comes too late, twice, or to a browser that did not ask. It redeems nothing,
// but lets the visitor continue: with a session they go to the page that they wanted; without a session they get a
// button that starts again. Nothing starts by itself, so no redirect loop can arise.

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

/** Answers with a redirect, or a page with a button. */
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

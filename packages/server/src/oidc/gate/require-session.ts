// The action `openid-connect`: lets an exchange pass only with a session of this edge and this sign-in, whose visitor
// the route allows. It runs for every request, so a request with a session costs only a hash and a few look-ups.

import { claimKey } from '../../values/claim-name.ts'
import type { OpenidConnectConfig } from '../../policy/openid-connect/openid-connect-schema.ts'
import { RelayError } from '../../errors.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import type { Identity } from '../../exchange/identity.ts'
import { readCookie } from '../../exchange/read-cookie.ts'
import type { Action } from '../../exchange/action.ts'
import type { SignedIdentity } from '../../identity/signed-identity.ts'
import { claimsOf, compileAllow, countingEmail, type AllowVerdict } from './allow.ts'
import type { SignInParts } from '../sign-in/parts.ts'
import type { Registration } from '../registration/registration.ts'
import { passesAsPreflight } from './cors-preflight.ts'
import { toldSession } from './session-telling.ts'
import type { SessionTelling } from './session-telling.ts'
import { refuseWithoutSession } from './sign-in-required.ts'
import { checkSession } from '../../session/session-check.ts'
import type { SessionRow } from '../../session/session-row.ts'
import type { LiveSession, SessionGate } from '../../session/live-session.ts'
import { showNotAllowed } from './not-allowed-page.ts'

/** The result of a route's check of a session, for one state of its claims. */
interface Standing {
  row: SessionRow
  verdict: AllowVerdict
  identity: SignedIdentity
}

/**
 * The handling of a visitor without an allowed session if a route has several sign-ins.
 * @param refuse answers a visitor who has a session of this sign-in but is not allowed here; undefined without a
 * session
 */
export type Instead = (refuse?: () => void) => Promise<void>

/** An action with a choice of what to do without a session. */
type Act = (...[exchange, next, instead]: [...Parameters<Action>, Instead?]) => Promise<void>
export type SessionAction = Act & { readonly gate: SessionGate }

/** @param telling undefined if no expression reads a result of the sign-in */
export function requireSession(
  config: OpenidConnectConfig,
  registration: Registration,
  parts: SignInParts,
  telling?: SessionTelling,
): SessionAction {
  const { sessions, clock, claimsRefresh, accessTokens } = parts
  const rules = {
    scope: registration.scope,
    idleMs: config.idle_session_duration,
    maxMs: config.max_session_duration,
  }
  const allows = compileAllow(config)
  const groupClaim = claimKey(config.allow?.groups ?? config.deny?.groups ?? { claim: 'groups' })
  const needed = [groupClaim, ...[config.allow, config.deny].flatMap(claimsOf).map(claimKey)]
  const passedOn = config.identity_groups === 'matched' ? groupsNamed(config, groupClaim) : undefined
  const origins = new Set((config.allowed_origins ?? []).map((origin) => origin.toLowerCase()))
  const standings = new WeakMap<LiveSession, Standing>()
  const { edgeId } = registration
  const identify = parts.identityTokens.identifier(edgeId, config.identity_jwt)
  // Routes that read a session in the same way share its signed identity. An app refuses the token of another app.
  const reading = JSON.stringify([
    config.identity_jwt && edgeId,
    config.email_verified,
    groupClaim,
    passedOn && [...passedOn],
  ])

  const identityOf = (session: LiveSession): SignedIdentity => {
    session.identities ??= new Map()
    const known = session.identities.get(reading)
    if (known) return known
    const identity = identify(readIdentity(session.row, groupClaim, passedOn, config))
    session.identities.set(reading, identity)
    return identity
  }

  const judge = (session: LiveSession): Standing | undefined => {
    // If the route has begun to read another claim since the sign-in, the session does not have that claim.
    const { row } = session
    if (!needed.every((key) => Object.hasOwn(row.groups, key))) return undefined
    const standing: Standing = { row, verdict: allows(row), identity: identityOf(session) }
    standings.set(session, standing)
    return standing
  }

  const standingOf = (session: LiveSession): Standing | undefined => {
    const known = standings.get(session)
    return known?.row === session.row ? known : judge(session)
  }
  const gate: SessionGate = {
    rules,
    admits: (session) => standingOf(session)?.verdict.ok === true,
    takesOriginOf: (exchange) => !exchange.upgrade || isOwnOrigin(exchange, origins),
  }

  const act: Act = async (exchange, next, instead) => {
    if (config.allow_cors_preflight && passesAsPreflight(exchange)) {
      exchange.identity = undefined // no identity, even if an earlier action has set one
      telling?.tell(exchange, undefined)
      return next()
    }
    const now = clock()
    const cookie = readCookie(exchange.header('cookie'), registration.cookies(exchange.origin).session)
    const session = sessions.find(cookie) ?? (await sessions.lookUp(cookie, exchange.clientIp))
    const isValid = session !== undefined && checkSession(session, rules, now).ok
    const claimsAt = session?.row.claims_at
    if (isValid && now >= session.due) await claimsRefresh.freshen(session, now)
    const standing = isValid && !session.ended ? standingOf(session) : undefined
    if (!isValid || !standing) return instead ? instead() : askToSignIn(exchange, registration, parts)
    if (exchange.upgrade && !isOwnOrigin(exchange, origins)) {
      throw new RelayError('origin_refused', { detail: 'an upgrade from another origin', user: session.row.subject })
    }
    sessions.touch(session, now, exchange.clientIp)
    if (!standing.verdict.ok) {
      const { reason } = standing.verdict
      const refuse = (): void => showNotAllowed(exchange, session.row, reason, config)
      return instead ? instead(refuse) : refuse()
    }

    const identity = standing.identity.at(now)
    exchange.identity = identity instanceof Promise ? await identity : identity
    if (config.forward_access_token) {
      const accessToken = await accessTokens.of(session, now)
      if (accessToken !== undefined) exchange.identity = { ...exchange.identity, accessToken }
    }
    const isRefreshed = session.row.claims_at !== claimsAt
    const told =
      telling && (await toldSession(session, telling.tokens, { maxMs: rules.maxMs, isRefreshed, now }, parts))
    // The session may have ended or changed while we waited, and its end cuts only exchanges that are noted with it.
    if (session.ended || session.row !== standing.row) return act(exchange, next, instead)

    telling?.tell(exchange, told)
    const use = sessions.enter(session, exchange, gate)
    try {
      await next()
    } finally {
      sessions.leave(session, use)
    }
  }
  return Object.assign(act, { gate })
}

/** People are redirected to the provider and get no byte of the app; programs get 401. */
async function askToSignIn(exchange: Exchange, registration: Registration, parts: SignInParts): Promise<void> {
  exchange.identity = undefined
  if (!exchange.isNavigation) return refuseWithoutSession(exchange, registration.config.auth_id)
  const { sendToProvider } = await import('../sign-in/authorization.ts') // with openid-client, loaded with the first sign-in
  return sendToProvider(exchange, registration, parts, exchange.visitorTarget)
}

/**
 * Hosts under one domain are same-site, so SameSite=Lax does not keep their pages from opening a WebSocket with our
 * cookie, and CORS does not apply to it (RFC 6455 10.2). Programs send no Origin.
 */
function isOwnOrigin(exchange: Exchange, allowed: ReadonlySet<string>): boolean {
  const origin = exchange.header('origin')
  return origin === undefined || origin === exchange.origin || allowed.has(origin.toLowerCase())
}

/**
 * The groups that the route's lists name, in order. An app can need no others about a visitor whom these groups let in.
 */
function groupsNamed({ allow, deny }: OpenidConnectConfig, groupClaim: string): ReadonlySet<string> {
  const about = [allow, deny].flatMap(claimsOf).filter((reading) => claimKey(reading) === groupClaim)
  return new Set(about.flatMap(({ any_of }) => any_of).toSorted())
}

function readIdentity(
  row: SessionRow,
  groupClaim: string,
  passedOn: ReadonlySet<string> | undefined,
  { email_verified }: OpenidConnectConfig,
): Identity {
  const { subject, issuer, name, groups, auth_time } = row
  const email = countingEmail(row, email_verified)
  const all = groups[groupClaim] ?? []
  return {
    subject,
    issuer,
    ...(name !== undefined && { name }),
    ...(email !== undefined && { email }),
    groups: Object.freeze(passedOn ? all.filter((group) => passedOn.has(group)) : [...all]),
    ...(auth_time !== undefined && { authTime: auth_time }),
  }
}

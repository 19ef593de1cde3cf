// `/.sallyport/logout` and its next steps: the session here ends at once, then the browser is sent to the provider to
// end the session there, and comes back through `<public_url>/oidc/signed-out` to a page that never starts a sign-in.
//
// The app's scripts share an origin with these pages and may read them, so the ID token, which the provider wants as a
// hint, travels from the POST to the redirect in a sealed HttpOnly cookie. The page between them is needed because
// Chromium applies `form-action` to every redirect after a form.

import { escapeHtml } from '@sallyport/protocol'

import { OPEN_SITE, RelayError, type WayOn } from '../../errors.ts'
import { errorHeaders } from '../../pages/error-page.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import { siteOf, type Frame } from '../../pages/frame.ts'
import { buttonHtml, htmlOf, linkHtml, renderPage, waysHtml } from '../../pages/page.ts'
import { readCookie } from '../../exchange/read-cookie.ts'
import { setCookie, setSessionCookie } from '../registration/cookies.ts'
import { readParameters } from '../sign-in/parameters.ts'
import type { SignInParts } from '../sign-in/parts.ts'
import { personHtml } from '../sign-in/person-html.ts'
import type { Registration } from '../registration/registration.ts'
import { pageBefore } from '../sign-in/return-to.ts'
import { checkSession } from '../../session/session-check.ts'
import type { Tokens } from '../../session/session-tokens.ts'
import type { LiveSession } from '../../session/live-session.ts'

const SIGN_OUT_S = 60 // from the POST to the redirect
const STATE_MS = 15 * 60_000
const MAX_COOKIE = 3800 // browsers keep 4096 bytes of name, value and attributes
const SIGNED_OUT = '/.sallyport/signed-out'

/** GET shows a button, so that a picture on another site cannot sign anybody out. POST signs out. */
export async function signOut(
  exchange: Exchange,
  registrations: readonly Registration[],
  parts: SignInParts,
): Promise<void> {
  if (exchange.method === 'GET' || exchange.method === 'HEAD') return showButton(exchange, registrations, parts)
  if (exchange.method !== 'POST') {
    throw new RelayError('method_not_allowed', { headers: { allow: 'GET, HEAD, POST' } })
  }
  if (!isSameOrigin(exchange)) {
    throw new RelayError('origin_refused', {
      detail: 'a sign-out from another origin',
      wayOn: { label: ({ ways }) => ways.signOutHere, href: '/.sallyport/logout' },
    })
  }

  const ending: { registration: Registration; session: LiveSession }[] = []
  for (const registration of registrations) {
    const session = await sessionHere(exchange, registration, parts)
    if (session) ending.push({ registration, session })
  }
  const expired = registrations.map((registration) => setSessionCookie(registration.cookies(exchange.origin), '', 0))
  const last = ending[0]
  const tokens = last && (await tokensOf(last.session, parts)) // they go with the session
  let isWritten = true
  for (const { session } of ending) {
    if (!(await parts.sessions.endAnyway(session, 'signed out', 'revoked after sign-out'))) isWritten = false
  }

  if (last === undefined || !(await endsAtProvider(last.registration))) {
    if (!isWritten) return showUnwritten(exchange, SIGNED_OUT, expired)
    return exchange.respond(303, { location: SIGNED_OUT, 'set-cookie': expired, 'cache-control': 'no-store' })
  }
  const { registration } = last
  const next = `/.sallyport/logout/provider?${new URLSearchParams({ auth_id: registration.config.auth_id }).toString()}`
  const cookies = registration.cookies(exchange.origin)
  const hint = setCookie(cookies.signOut, sealHint(tokens?.idToken, registration, parts), SIGN_OUT_S, cookies.secure)
  if (!isWritten) return showUnwritten(exchange, next, [...expired, hint])
  const { texts, frame } = exchange
  const goOn = linkHtml({ label: ({ ways }) => ways.goOn, href: next }, texts)
  const body = `<p>${htmlOf(texts.signOut.providerNext, { goOn })}</p>`
  const page = renderPage({ title: texts.signOut.doneHere, body }, frame)
  exchange.respond(200, { ...page.headers, refresh: `0; url=${next}`, 'set-cookie': [...expired, hint] }, page.body)
}

/** The session has ended in the memory of this relay. The relay keeps trying to save that until it stops. */
function showUnwritten(exchange: Exchange, next: string, cookies: string[]): void {
  const { texts, frame } = exchange
  const goOn = buttonHtml({ label: ({ ways }) => ways.goOn, href: next }, texts)
  const body = `<p>${escapeHtml(texts.signOut.unwrittenMeans)}</p>\n${waysHtml(goOn)}`
  const page = renderPage({ title: texts.signOut.unwritten, body }, frame)
  const own = errorHeaders(new RelayError('store_unavailable'), frame.requestId)
  exchange.respond(503, { ...page.headers, ...own, 'set-cookie': cookies }, page.body)
}

/** The second step leads from the page to the provider, with the hint in a redirect that no script can read. */
export async function signOutAtProvider(
  exchange: Exchange,
  registration: Registration,
  parts: SignInParts,
): Promise<void> {
  const now = parts.clock()
  const cookies = registration.cookies(exchange.origin)
  const box = readCookie(exchange.header('cookie'), cookies.signOut)
  const hint = box === undefined ? undefined : parts.boxes.open('sign-out', box, now)
  // An agent may have opened the endpoint again since, with another issuer under the same auth_id. An ID token goes
  // only to its own issuer.
  const isOurs = hint?.ok === true && hint.content.scope === registration.scope
  const headers = { 'set-cookie': [setCookie(cookies.signOut, '', 0, cookies.secure)], 'cache-control': 'no-store' }
  // Only a browser that goes to a page gets the redirect. A script that fetches this gets no redirect.
  if (!isOurs || !exchange.isNavigation || !(await endsAtProvider(registration))) {
    return exchange.respond(303, { location: SIGNED_OUT, ...headers })
  }
  const { configuration } = await registration.ready()
  const { buildEndSessionUrl } = await import('openid-client') // loaded with the first sign-in
  const location = buildEndSessionUrl(configuration, {
    post_logout_redirect_uri: `${parts.publicOrigin}/oidc/signed-out`,
    state: parts.boxes.seal('sign-out state', { origin: exchange.origin }, now + STATE_MS),
    ...(hint.content.idToken !== undefined && { id_token_hint: hint.content.idToken }),
  })
  exchange.respond(303, { location: location.href, 'referrer-policy': 'no-referrer', ...headers })
}

/** `<public_url>/oidc/signed-out`: back from the provider to the edge that the sealed state names, or nowhere. */
export function returnSignedOut(exchange: Exchange, parts: SignInParts): void {
  const read = readParameters(exchange.target, { state: 2048 })
  const state = read.ok ? read.values.state : undefined
  const opened = state === undefined ? undefined : parts.boxes.open('sign-out state', state, parts.clock())
  if (!opened?.ok) return showSignedOut(exchange)
  exchange.respond(303, {
    location: `${opened.content.origin}${SIGNED_OUT}`,
    'cache-control': 'no-store',
    'referrer-policy': 'no-referrer',
  })
}

/** @param signInPath the target of a link that starts again; none on the relay's own host */
export function showSignedOut(exchange: Exchange, signInPath?: string): void {
  const { texts, frame } = exchange
  const { signOut: words } = texts
  const again =
    signInPath === undefined
      ? ''
      : `\n${waysHtml(buttonHtml({ label: ({ ways }) => ways.signInAgain, href: signInPath }, texts))}`
  const page = renderPage({ title: words.done, body: `<p>${escapeHtml(words.close)}</p>${again}` }, frame)
  exchange.respond(200, page.headers, page.body)
}

async function showButton(
  exchange: Exchange,
  registrations: readonly Registration[],
  parts: SignInParts,
): Promise<void> {
  const { texts, frame, origin } = exchange
  const found = await Promise.all(registrations.map((registration) => liveSessionHere(exchange, registration, parts)))
  const sessions = found.filter((session) => session !== undefined)
  const body = [
    `<p>${whoAndWhere(sessions, frame)}</p>`,
    ...(sessions.length > 0 ? [`<p>${escapeHtml(texts.signOut.advice)}</p>`] : []),
    ...sessions.flatMap(({ row }) =>
      row.cookie_domain === undefined ? [] : [`<p>${escapeHtml(texts.signOut.alsoUnder(row.cookie_domain))}</p>`],
    ),
    waysHtml(
      `<form method="post" action="/.sallyport/logout"><button type="submit">${escapeHtml(texts.ways.signOut)}</button></form>`,
      linkHtml(wayBack(exchange.header('referer'), origin), texts),
    ),
  ].join('\n')
  const page = renderPage({ title: texts.signOut.title, body, formAction: "'self'" }, frame)
  // With no-referrer, browsers would send `Origin: null` with the form (Fetch, "append a request Origin header").
  exchange.respond(200, { ...page.headers, 'referrer-policy': 'same-origin' }, page.body)
}

function whoAndWhere(sessions: readonly LiveSession[], frame: Frame): string {
  const { signedInAs, nobody } = frame.texts.signOut
  const site = `<strong>${escapeHtml(siteOf(frame))}</strong>`
  if (sessions.length === 0) return htmlOf(nobody, { site })
  const people = new Set(sessions.map(({ row }) => personHtml(row)))
  return htmlOf(signedInAs, { who: `<strong>${[...people].join('; ')}</strong>`, site })
}

/** Back to the page with the link that led here, if it is on this site. */
function wayBack(referrer: string | undefined, origin: string): WayOn {
  const before = pageBefore(referrer, origin)
  return before === undefined ? OPEN_SITE : { label: ({ ways }) => ways.back, href: before }
}

/**
 * Browsers set both headers themselves; pages cannot. A request with neither does not come from a browser that we can
 * trust.
 */
function isSameOrigin(exchange: Exchange): boolean {
  const origin = exchange.header('origin')
  if (origin !== undefined && origin !== 'null') return origin === exchange.origin
  return exchange.header('sec-fetch-site') === 'same-origin'
}

async function sessionHere(
  exchange: Exchange,
  registration: Registration,
  { sessions }: SignInParts,
): Promise<LiveSession | undefined> {
  const id = readCookie(exchange.header('cookie'), registration.cookies(exchange.origin).session)
  const session = sessions.find(id) ?? (await sessions.lookUp(id, exchange.clientIp))
  return session?.scope === registration.scope ? session : undefined
}

/** A session that is still valid. */
async function liveSessionHere(
  exchange: Exchange,
  registration: Registration,
  parts: SignInParts,
): Promise<LiveSession | undefined> {
  const session = await sessionHere(exchange, registration, parts)
  const { scope, config } = registration
  const rules = { scope, idleMs: config.idle_session_duration, maxMs: config.max_session_duration }
  return checkSession(session, rules, parts.clock()).ok ? session : undefined
}

/** Whether the provider can be asked at all. Signing out here does not depend on it. */
async function endsAtProvider(registration: Registration): Promise<boolean> {
  try {
    const { metadata } = await registration.ready()
    return metadata.end_session_endpoint !== undefined
  } catch {
    return false // unreachable; the provider has logged why
  }
}

async function tokensOf(session: LiveSession, parts: SignInParts): Promise<Tokens | undefined> {
  try {
    return (await parts.sessions.tokens.read(session.key, parts.clock()))?.tokens
  } catch {
    return undefined // the store is down, as endAnyway() will report: the provider asks the visitor instead
  }
}

function sealHint(idToken: string | undefined, { config, scope }: Registration, parts: SignInParts): string {
  const expires = parts.clock() + SIGN_OUT_S * 1000
  const seal = (hint: { idToken?: string }) => parts.boxes.seal('sign-out', { scope, ...hint }, expires)
  if (idToken === undefined) return seal({})
  const box = seal({ idToken })
  // Too large for a cookie: the provider will ask the visitor instead.
  return box.length + config.auth_id.length > MAX_COOKIE ? seal({}) : box
}

// `/.sallyport/oidc/callback` on an edge's own host: the end of a sign-in. Opens the box from the shared callback,
// only in the browser that began, redeems the code, checks the ID token, and sets the session cookie.

import {
  AuthorizationResponseError,
  ClientError,
  ResponseBodyError,
  WWWAuthenticateChallengeError,
  authorizationCodeGrant,
} from 'openid-client'

import { OPEN_SITE, RelayError } from '../../errors.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import { readCookie } from '../../exchange/read-cookie.ts'
import { StoreUnavailable } from '../../store/store.ts'
import type { Saying } from '../../texts/page-texts.ts'
import { keptAccessToken } from '../tokens/access-token.ts'
import { STATE_MS, stateHash } from './authorization.ts'
import type { BoxContents } from '../../seal/boxes.ts'
import { setCookie, setSessionCookie } from '../registration/cookies.ts'
import { deviceOf } from '../../session/device.ts'
import { freshFor } from '../tokens/fresh-for.ts'
import { freshnessProblem } from './fresh-authentication.ts'
import { leadOn, type StaleAnswer } from './lead-on.ts'
import { readParameters } from './parameters.ts'
import type { SignInParts } from './parts.ts'
import { ProviderUnreachable } from '../provider/provider-fetch.ts'
import { describeChallenges, inWords } from '../provider/provider-words.ts'
import { describeBodyError } from '../tokens/redeem-refresh-token.ts'
import type { Registration } from '../registration/registration.ts'
import type { SessionRow } from '../../session/session-row.ts'
import type { Tokens } from '../../session/session-tokens.ts'
import { failWithLink, logInPath } from './sign-in-page.ts'
import { idTokenOf } from '../provider/token-answer.ts'
import { readVisitor, verifyTokens } from '../tokens/verified-claims.ts'

/** Refusals after which a second try may help: a used or expired code, and a fault of the provider. */
const MAY_WORK_AGAIN: ReadonlySet<string> = new Set(['invalid_grant', 'temporarily_unavailable', 'server_error'])
const NO_AGREEMENT: Saying = ({ instead }) => instead.noAgreement

export async function finishSignIn(exchange: Exchange, parts: SignInParts): Promise<void> {
  const opened = openHandOver(exchange, parts)
  if (!opened.ok) return leadOn(exchange, opened, parts)
  const { registration, handOver, bound, returnTo } = opened
  const cookies = registration.cookies(exchange.origin)
  // After the first answer, a sign-in cannot be used again, whatever the result is.
  const forget = forgetSignIn(opened, cookies.secure, parts)
  try {
    const { row, tokens } = await redeem(registration, parts, handOver, bound)
    exchange.knownUser = row.subject
    const device = deviceOf(exchange.header('user-agent'))
    const old = parts.sessions.find(readCookie(exchange.header('cookie'), cookies.session))
    const id = await parts.sessions.create(
      { ...row, ...(device !== undefined && { device }), address: exchange.clientIp },
      tokens,
    )
    // Every sign-in makes a new id and ends the browser's old session, so an id that an attacker has planted never
    // becomes a session.
    if (old?.scope === registration.scope) await parts.sessions.endAnyway(old, 'signed in again')
    exchange.respond(302, {
      location: `${exchange.origin}${returnTo}`,
      'set-cookie': [forget, setSessionCookie(cookies, id, Math.ceil(registration.config.max_session_duration / 1000))],
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
    })
  } catch (thrown) {
    const error = relayErrorOf(thrown)
    parts.log.warn(
      {
        requestId: exchange.requestId,
        edge: registration.edgeId,
        issuer: registration.config.issuer_url,
        code: error.code,
        reason: error.detail,
      },
      'sign-in failed',
    )
    const href = logInPath(registration, returnTo)
    failWithLink(exchange, error, { label: ({ ways }) => ways.again, href }, { 'set-cookie': [forget] })
  }
}

interface OpenedHandOver {
  ok: true
  registration: Registration
  handOver: BoxContents['hand-over']
  bound: BoxContents['state cookie']
  cookieName: string
  returnTo: string
}

/**
 * Checks every way in which the answer could belong to another visitor; such an answer makes no session.
 * @throws RelayError if not even the return address is known
 */
function openHandOver(exchange: Exchange, parts: SignInParts): OpenedHandOver | ({ ok: false } & StaleAnswer) {
  const now = parts.clock()
  const read = readParameters(exchange.target, { box: 16_384 })
  if (!read.ok) throw lost(read.detail)
  if (!read.values.box) throw lost('the callback has no box')

  const box = parts.boxes.open('hand-over', read.values.box, now)
  if (!box.ok && box.reason === 'forged') throw lost('box is forged')
  const handOver = box.content
  const state = parts.boxes.open('state', handOver.state, now)
  if (!state.ok && state.reason === 'forged') throw lost('state is forged')
  const { host, signIn, again } = state.content
  if (host !== exchange.host) throw lost(`the sign-in began at ${host}, not here`)
  const found = parts.findRegistration(state.content)
  if (!found.ok) throw lost(found.detail)
  const { registration } = found
  if (registration.edgeId !== exchange.edgeId) throw lost(`the sign-in began on ${registration.edgeId}`)

  const cookieName = `${registration.cookies(exchange.origin).statePrefix}${signIn}`
  const cookie = readCookie(exchange.header('cookie'), cookieName)
  const bound = cookie === undefined ? undefined : parts.boxes.open('state cookie', cookie, now)
  const isBound = bound?.ok === true && bound.content.stateHash === stateHash(handOver.state)
  const returnTo = state.content.returnTo ?? (isBound ? bound.content.returnTo : undefined) ?? '/'
  const stale = (error: RelayError): { ok: false } & StaleAnswer => ({ ok: false, registration, returnTo, error })

  if (!box.ok || !state.ok) return stale(over(`${box.ok ? 'state' : 'box'} is expired`))
  if (bound === undefined)
    return stale(again ? cookieless(exchange.host) : over('this browser did not begin the sign-in, or has finished it'))
  if (!bound.ok && bound.reason === 'expired') return stale(over('state cookie is expired'))
  if (!bound.ok) return stale(new RelayError('sign_in_failed', { detail: 'state cookie is forged' }))
  if (!isBound)
    return stale(new RelayError('sign_in_failed', { detail: 'the state cookie belongs to another sign-in' }))
  if (bound.content.verifier === '') return stale(over('this browser has finished the sign-in'))
  return { ok: true, registration, handOver, bound: bound.content, cookieName, returnTo }
}

function lost(detail: string): RelayError {
  return new RelayError('sign_in_failed', { detail, wayOn: OPEN_SITE })
}

function over(detail: string): RelayError {
  return new RelayError('sign_in_expired', { detail })
}

/** A visitor who has just pressed the button of the page above has got a new cookie. */
function cookieless(host: string): RelayError {
  return new RelayError('sign_in_expired', {
    detail: 'this browser has come back without the cookie for the second time',
    title: ({ noCookies }) => noCookies.title,
    advice: ({ noCookies }) => noCookies.advice(host),
  })
}

/**
 * The Set-Cookie line that marks a sign-in as used. If only the cookie has the return address, the cookie keeps the
 * address and nothing else, for a visitor who goes back to the provider's page.
 */
function forgetSignIn({ bound, cookieName }: OpenedHandOver, secure: boolean, { boxes, clock }: SignInParts): string {
  const { stateHash: ofState, begun, returnTo } = bound
  const leftMs = begun + STATE_MS - clock()
  if (returnTo === undefined || leftMs <= 0) return setCookie(cookieName, '', 0, secure)
  const finished = { stateHash: ofState, begun, returnTo, verifier: '', nonce: '' }
  return setCookie(cookieName, boxes.seal('state cookie', finished, begun + STATE_MS), Math.ceil(leftMs / 1000), secure)
}

async function redeem(
  registration: Registration,
  parts: SignInParts,
  { state, code, iss, error, errorDescription }: BoxContents['hand-over'],
  { verifier, nonce, begun, maxAgeS }: BoxContents['state cookie'],
): Promise<{ row: SessionRow; tokens: Tokens }> {
  const { config } = registration
  const ready = await registration.ready()
  const { metadata, configuration } = ready
  // RFC 9207 2.4: compare `iss` before trusting anything else in the answer, errors included.
  if (iss !== undefined && iss !== metadata.issuer) {
    throw new RelayError('sign_in_failed', { detail: `the answer comes from another issuer, ${inWords(iss)}` })
  }
  // RFC 9207 2.4: "Clients MUST reject authorization responses without the iss parameter from authorization servers that
  // do support the parameter according to the client's configuration."
  if (iss === undefined && metadata.authorization_response_iss_parameter_supported === true) {
    throw new RelayError('sign_in_failed', {
      detail:
        'the answer does not say which issuer it comes from (iss), although the metadata of this issuer says that its answers do',
    })
  }
  if (error !== undefined) {
    const said = inWords(errorDescription) ?? inWords(error) ?? 'nothing'
    throw new RelayError('sign_in_failed', {
      detail: `the provider answered ${inWords(error)}: ${said}`,
      advice: ({ instead }) => instead.providerSaid(said),
    })
  }
  const answer = new URL(`${parts.publicOrigin}${registration.callbackPath}`)
  answer.searchParams.set('code', code ?? '')
  answer.searchParams.set('state', state)
  if (iss !== undefined) answer.searchParams.set('iss', iss)
  const tokens = await authorizationCodeGrant(configuration, answer, {
    expectedState: state,
    ...(!config.without_proof && { pkceCodeVerifier: verifier }),
  })

  const now = parts.clock()
  const written = idTokenOf(tokens)
  if (written === undefined) {
    throw new RelayError('sign_in_failed', {
      detail: 'the token endpoint gave no ID token; is openid among the scopes?',
    })
  }
  const expected = config.without_proof ? undefined : nonce
  const idToken = await verifyTokens(written, registration, ready, { nonce: expected, now })
  const stale = maxAgeS === undefined ? undefined : freshnessProblem(idToken, { begun, maxAgeS, now })
  if (stale !== undefined) {
    throw new RelayError('sign_in_failed', {
      detail: stale,
      advice: ({ instead }) => instead.notAskedAgain,
    })
  }

  const { refresh_token: refreshToken } = tokens
  const row: SessionRow = {
    edge: registration.edgeId,
    auth_id: config.auth_id,
    issuer: config.issuer_url,
    client_id: config.client_id,
    ...(config.auth_cookie_domain !== undefined && { cookie_domain: config.auth_cookie_domain }),
    ...(await readVisitor(idToken, tokens.access_token, registration, ready)),
    created: now,
    last_seen: now,
    expires: now + config.max_session_duration,
    idle_ms: config.idle_session_duration,
    claims_at: now,
    ...(refreshToken !== undefined && { fresh_ms: freshFor(idToken, registration, tokens, now) }),
  }
  return {
    row,
    tokens: {
      ...keptAccessToken(tokens, registration, now),
      idToken: written,
      ...(refreshToken !== undefined && { refreshToken }),
    },
  }
}

/** Turns failures between the relay and the provider into errors for the visitor. */
function relayErrorOf(thrown: unknown): RelayError {
  if (thrown instanceof RelayError) return thrown
  if (thrown instanceof StoreUnavailable) return new RelayError('store_unavailable', { cause: thrown })
  for (let cause = thrown; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof ProviderUnreachable) {
      return new RelayError('provider_unreachable', { detail: cause.message, cause: thrown })
    }
  }
  if (thrown instanceof ResponseBodyError) {
    const { error, status } = thrown
    // For a wrong secret Keycloak and Glewlwyd answer unauthorized_client, RFC 6749 5.2 says invalid_client.
    const isAboutClient = error === 'invalid_client' || error === 'unauthorized_client' || status === 401
    const hint = isAboutClient ? '; are client_id and credentials right?' : ''
    const detail = `the token endpoint refused with ${describeBodyError(thrown)}${hint}`
    const advice = MAY_WORK_AGAIN.has(error) ? {} : { advice: NO_AGREEMENT }
    return new RelayError('sign_in_failed', { detail, cause: thrown, ...advice })
  }
  if (thrown instanceof WWWAuthenticateChallengeError) {
    const said = describeChallenges(thrown)
    const detail = `the token endpoint answered HTTP ${thrown.status}: ${said}; are client_id and credentials right?`
    return new RelayError('sign_in_failed', { detail, cause: thrown, advice: NO_AGREEMENT })
  }
  if (thrown instanceof ClientError || thrown instanceof AuthorizationResponseError) {
    const inner: unknown = thrown.cause
    const detail = inner instanceof Error ? `${thrown.message}: ${inner.message}` : thrown.message
    return new RelayError('sign_in_failed', { detail, cause: thrown })
  }
  return new RelayError('internal', { cause: thrown })
}

// The way out: sends a browser to the provider, and leaves in it the cookie that only this browser can come back with.

import { hash, randomBytes } from 'node:crypto'

import { buildAuthorizationUrl, calculatePKCECodeChallenge, randomNonce, randomPKCECodeVerifier } from 'openid-client'

import type { Exchange } from '../../exchange/exchange.ts'
import { setCookie, surplusStateCookies } from './cookies.ts'
import type { SignInParts } from './parts.ts'
import type { Registration } from './registration.ts'
import { returnTo } from './return-to.ts'

const STATE_MS = 15 * 60_000
const SIGN_IN_TIME_CHARS = 9 // milliseconds in base 36 until the year 5188

/**
 * Answers with the redirect to the provider. Nothing is stored: what we need again travels sealed.
 * Throws `provider_unreachable`.
 * @param wanted where the visitor wants to be afterwards; looked at by returnTo()
 * @param force asks the provider to have the visitor sign in anew
 */
export async function sendToProvider(
  exchange: Exchange,
  registration: Registration,
  parts: SignInParts,
  wanted: string | null,
  force = false,
): Promise<void> {
  const { configuration } = await registration.ready()
  const { config } = registration
  const now = parts.clock()
  const expires = now + STATE_MS
  const cookies = registration.cookies(exchange.origin)
  const isForced = force || config.force_reauthentication
  const maxAge = isForced ? '0' : config.authz_url_params?.max_age
  const maxAgeS = maxAge === undefined ? undefined : Number(maxAge)

  const signIn = signInName(now)
  const state = parts.boxes.seal(
    'state',
    {
      edge: registration.edgeId,
      origin: exchange.origin,
      authId: config.auth_id,
      issuer: config.issuer_url,
      clientId: config.client_id,
      signIn,
    },
    expires,
  )
  const verifier = randomPKCECodeVerifier()
  const nonce = randomNonce()
  const stateCookie = parts.boxes.seal(
    'state cookie',
    {
      stateHash: stateHash(state),
      verifier,
      nonce,
      returnTo: returnTo(wanted, exchange.origin),
      begun: now,
      ...(maxAgeS !== undefined && { maxAgeS }),
    },
    expires,
  )
  const name = `${cookies.statePrefix}${signIn}`
  const surplus = surplusStateCookies(exchange.header('cookie'), name.length + 1 + stateCookie.length)

  const location = buildAuthorizationUrl(configuration, {
    ...config.authz_url_params,
    ...(isForced && { prompt: 'login', max_age: '0' }),
    response_type: 'code',
    redirect_uri: `${parts.publicOrigin}${registration.callbackPath}`,
    scope: config.scopes.join(' '),
    state,
    nonce,
    code_challenge: await calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  })
  exchange.respond(302, {
    location: location.href,
    'set-cookie': [
      setCookie(name, stateCookie, STATE_MS / 1000, cookies.secure),
      ...surplus.map((old) => setCookie(old, '', 0, old.startsWith('__Host-'))),
    ],
    'cache-control': 'no-store',
    'referrer-policy': 'no-referrer',
  })
}

/** What a state cookie knows its `state` by. */
export function stateHash(state: string): string {
  return hash('sha256', state, 'base64url')
}

/** Begins with its time, so that the oldest of several can be told by name. */
function signInName(now: number): string {
  return now.toString(36).padStart(SIGN_IN_TIME_CHARS, '0') + randomBytes(16).toString('base64url')
}

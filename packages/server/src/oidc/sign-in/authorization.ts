// Redirects a browser to the provider, with a cookie that only this browser can bring back.

import { hash, randomBytes } from 'node:crypto'

import { buildAuthorizationUrl, calculatePKCECodeChallenge, randomNonce, randomPKCECodeVerifier } from 'openid-client'

import type { Exchange } from '../../exchange/exchange.ts'
import { setCookie, surplusStateCookies } from '../registration/cookies.ts'
import type { SignInParts } from './parts.ts'
import type { Registration } from '../registration/registration.ts'
import { returnTo } from './return-to.ts'
import { SIGN_IN_RANDOM_BYTES, hasRoomFor, signInId } from '../../seal/state.ts'
import { STATE_HASH_BYTES, type StateCookie } from '../../seal/state-cookie.ts'

export const STATE_MS = 15 * 60_000
const MAX_COOKIE_BYTES = 4096 // the size of name, `=` and value that browsers keep

/** Options of a sign-in. */
export interface SignInWish {
  /** Asks the provider to make the visitor sign in again. */
  force?: boolean
  /** The visitor has come back from the provider once, without the cookie. */
  again?: boolean
}

/**
 * Answers with the redirect to the provider. The relay stores nothing: the data that it will need again travels in a
 * sealed form. Throws `provider_unreachable`.
 * @param wanted the page that the visitor wants; checked by returnTo()
 */
export async function sendToProvider(
  exchange: Exchange,
  registration: Registration,
  parts: SignInParts,
  wanted: string | null,
  { force = false, again = false }: SignInWish = {},
): Promise<void> {
  const { configuration } = await registration.ready()
  const { config } = registration
  const now = parts.clock()
  const expires = now + STATE_MS
  const cookies = registration.cookies(exchange.origin)
  const isForced = force || config.force_reauthentication
  const maxAge = isForced ? '0' : config.authz_url_params?.max_age
  const maxAgeS = maxAge === undefined ? undefined : Number(maxAge)

  const { host } = exchange
  const back = returnTo(wanted, exchange.origin)
  const isShort = hasRoomFor(back, host)
  const signIn = signInId(now, randomBytes(SIGN_IN_RANDOM_BYTES))
  const state = parts.boxes.seal(
    'state',
    { ...registration.name, host, signIn, again, ...(isShort && { returnTo: back }) },
    expires,
  )
  const verifier = randomPKCECodeVerifier()
  const nonce = randomNonce()
  const name = `${cookies.statePrefix}${signIn}`
  const stateCookie = sealStateCookie(
    { stateHash: stateHash(state), verifier, nonce, begun: now, ...(maxAgeS !== undefined && { maxAgeS }) },
    isShort ? [undefined] : [back, back.replace(/[?#].*$/s, ''), '/'],
    name.length + 1,
    (content) => parts.boxes.seal('state cookie', content, expires),
  )
  const surplus = surplusStateCookies(exchange.header('cookie'), name.length + 1 + stateCookie.length)

  const location = buildAuthorizationUrl(configuration, {
    ...config.authz_url_params,
    ...(isForced && { prompt: 'login', max_age: '0' }),
    response_type: 'code',
    redirect_uri: `${parts.publicOrigin}${registration.callbackPath}`,
    scope: config.scopes.join(' '),
    state,
    ...(!config.without_proof && {
      nonce,
      code_challenge: await calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
    }),
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

/** The hash of the `state` in its cookie. */
export function stateHash(state: string): string {
  return hash('sha256', state, 'buffer').subarray(0, STATE_HASH_BYTES).toString('base64url')
}

/** The cookie with the first of these return addresses that is short enough for browsers. */
function sealStateCookie(
  content: StateCookie,
  returnTos: readonly (string | undefined)[],
  nameBytes: number,
  seal: (content: StateCookie) => string,
): string {
  let sealed = ''
  for (const back of returnTos) {
    sealed = seal({ ...content, ...(back !== undefined && { returnTo: back }) })
    if (nameBytes + sealed.length <= MAX_COOKIE_BYTES) break
  }
  return sealed
}

// Turns the real answers of token endpoints into the form that openid-client takes: it refuses a member that is null, a
// scope that is a list, and an empty refresh token. openid-client does not get the ID token, because it would check the
// claims in its own way and would not check the signature; verifyIdToken() checks both. Pure except for the fetch that
// it wraps.

import type { ProviderFetch } from './provider-fetch.ts'
import { secondsOf, withoutNulls } from './without-nulls.ts'

// No provider is known to have such a member. If one has it, the member is replaced.
const ID_TOKEN = 'sallyport:id_token'

/** Like `fetch`, but mends answers of the token endpoint. */
export function mendingTokenAnswers(fetch: ProviderFetch, tokenEndpoint: string | undefined): ProviderFetch {
  const endpoint = URL.parse(tokenEndpoint ?? '')?.href
  return async (url, request) => {
    const response = await fetch(url, request)
    if (url !== endpoint || response.status !== 200) return response
    const text = await response.text()
    return new Response(mended(text) ?? text, { status: 200, headers: response.headers })
  }
}

/** The ID token of an answer that came through mendingTokenAnswers(). */
export function idTokenOf(answer: Readonly<Record<string, unknown>>): string | undefined {
  const token = answer[ID_TOKEN]
  return typeof token === 'string' && token !== '' ? token : undefined
}

/** Undefined if the answer cannot be corrected; then openid-client reports the problem. */
function mended(text: string): string | undefined {
  try {
    const written: unknown = JSON.parse(text)
    if (typeof written !== 'object' || written === null || Array.isArray(written)) return undefined
    const { id_token, expires_in, scope, refresh_token, ...others } = withoutNulls(written as Record<string, unknown>) // an object, as just seen
    const seconds = secondsOf(expires_in)
    return JSON.stringify({
      ...others,
      [ID_TOKEN]: id_token,
      // RFC 6749 5.1 only RECOMMENDS this member. Without a number, the expiry is unknown.
      ...(seconds !== undefined && { expires_in: seconds }),
      ...(typeof scope === 'string' && { scope }), // the relay does not use the granted scope
      ...(refresh_token !== '' && { refresh_token }),
    })
  } catch {
    return undefined // not JSON, or nested too deep to be written again
  }
}

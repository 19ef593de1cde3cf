// The answers of a token endpoint as providers give them, made into what openid-client takes: it refuses a member that is
// null, a scope that is a list, an empty refresh token. The ID token is kept from it, because it would look at the claims
// in its own way and at no signature; verifyIdToken() looks at both. Pure but for the fetch that it wraps.

import type { ProviderFetch } from './provider-fetch.ts'
import { secondsOf, withoutNulls } from './without-nulls.ts'

// No provider has such a member; one that did would have it replaced.
const ID_TOKEN = 'sallyport:id_token'

/** Asks as `fetch` does, and mends what comes from the token endpoint. */
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

/** Undefined for what is not ours to mend: openid-client says what is wrong with it. */
function mended(text: string): string | undefined {
  try {
    const written: unknown = JSON.parse(text)
    if (typeof written !== 'object' || written === null || Array.isArray(written)) return undefined
    const { id_token, expires_in, scope, refresh_token, ...others } = withoutNulls(written as Record<string, unknown>) // an object, as just seen
    const seconds = secondsOf(expires_in)
    return JSON.stringify({
      ...others,
      [ID_TOKEN]: id_token,
      // RFC 6749 5.1 has it RECOMMENDED only: without a number the token is good until it is not.
      ...(seconds !== undefined && { expires_in: seconds }),
      ...(typeof scope === 'string' && { scope }), // nobody here asks what was granted
      ...(refresh_token !== '' && { refresh_token }),
    })
  } catch {
    return undefined // no JSON, or nested deeper than can be written again
  }
}

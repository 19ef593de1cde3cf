// Whether the provider has really made the visitor sign in again, if that was requested. The visitor can prevent that,
// because `prompt` and `max_age` are in a URL that the visitor can change. Pure: takes the clock.

import { CLOCK_TOLERANCE_S } from '../provider/signed-token.ts'

const ROUNDING_S = 5 // times are whole seconds, and providers write the two times one after the other

/**
 * One clause if the authentication is too old, or its age is unknown.
 * @param begun when the sign-in began here, in milliseconds
 * @param maxAgeS how old the authentication may be at that time; 0 requires a new one
 */
export function freshnessProblem(
  { auth_time: authTime, iat }: { auth_time?: unknown; iat?: number },
  { begun, maxAgeS, now }: { begun: number; maxAgeS: number; now: number },
): string | undefined {
  // OpenID Connect Core 3.1.3.7, 13: "If the auth_time Claim was requested … the Client SHOULD check the auth_time Claim
  // value and request re-authentication if it determines too much time has elapsed".
  if (typeof authTime !== 'number' || !Number.isFinite(authTime)) {
    return 'the provider does not say when the visitor signed in there (auth_time)'
  }
  // By the provider's clock alone, so that our clock does not matter …
  const elapsedS = (now - begun) / 1000
  const byTheirs = (iat ?? 0) - elapsedS - maxAgeS - ROUNDING_S
  // … and by ours, because some providers date their tokens back.
  const byOurs = begun / 1000 - maxAgeS - CLOCK_TOLERANCE_S
  if (authTime >= byTheirs && authTime >= byOurs) return undefined
  return `the visitor signed in at the provider ${Math.round(now / 1000 - authTime)} s ago, which is too long`
}

// Redeems one refresh token at the provider for new tokens and claims (RFC 6749 6, OpenID Connect Core 12), and
// interprets refusals. It uses openid-client and jose, so it is loaded only with the first sign-in.

import { decodeJwt } from 'jose'
import { ResponseBodyError, refreshTokenGrant } from 'openid-client'

import { StoreUnavailable } from '../../store/store.ts'
import { keptAccessToken } from './access-token.ts'
import { freshFor } from './fresh-for.ts'
import { ProviderUnreachable } from '../provider/provider-fetch.ts'
import { inWords } from '../provider/provider-words.ts'
import type { Registration } from '../registration/registration.ts'
import type { Tokens } from '../../session/session-tokens.ts'
import type { LiveSession } from '../../session/live-session.ts'
import { idTokenOf } from '../provider/token-answer.ts'
import { readVisitor, refusalOf, verifyTokens, type IdTokenClaims } from './verified-claims.ts'
import type { VisitorClaims } from '../../session/session-row.ts'

interface Redeemed {
  tokens: Tokens
  claims: VisitorClaims
  freshMs: number
}

/**
 * @param held the tokens of the session until now
 * @param keep stores the new ones; called as soon as they have come, even if they then turn out to be wrong
 * @throws an error for hasEnded(), isUnreachable() and reasonOf()
 */
export async function redeemRefreshToken(
  session: LiveSession,
  registration: Registration,
  held: Tokens,
  { clock, keep }: { clock: () => number; keep: (tokens: Tokens) => Promise<void> },
): Promise<Redeemed> {
  const ready = await registration.ready()
  const answer = await refreshTokenGrant(ready.configuration, held.refreshToken ?? '')
  const now = clock()
  const { accessToken: _old, ...others } = held
  const tokens: Tokens = { ...others, ...keptAccessToken(answer, registration, now) }
  // RFC 6749 6: "The authorization server MAY issue a new refresh token, in which case the client MUST discard the old".
  if (answer.refresh_token !== undefined) tokens.refreshToken = answer.refresh_token
  let idToken: IdTokenClaims | undefined
  try {
    const written = idTokenOf(answer)
    if (written !== undefined) {
      idToken = await verifyTokens(written, registration, ready, { nonce: undefined, now })
      tokens.idToken = written
    }
  } finally {
    await keep(tokens) // also if the new ID token is wrong, because the old refresh token may be used up
  }
  // OpenID Connect Core 12.2: the answer "might not contain an id_token". Then userinfo has the new claims.
  const claims = await readVisitor(idToken ?? oldClaims(session, tokens), answer.access_token, registration, ready, {
    always: idToken === undefined,
  })
  return { tokens, claims, freshMs: freshFor(idToken ?? {}, registration, answer, now) }
}

/** Whether the provider has ended the grant of the refresh token (RFC 6749 5.2). */
export function hasEnded(error: unknown): boolean {
  return error instanceof ResponseBodyError && error.error === 'invalid_grant'
}

/** Whether asking again may help. */
export function isUnreachable(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof ProviderUnreachable || cause instanceof StoreUnavailable) return true
    if ('code' in cause && cause.code === 'provider_unreachable') return true
  }
  // RFC 6749 4.1.2.1 has these two for the authorization endpoint; token endpoints send them, too.
  return (
    error instanceof ResponseBodyError &&
    (error.error === 'temporarily_unavailable' || error.error === 'server_error' || error.status === 429)
  )
}

/** A sentence for the log. */
export function reasonOf(error: unknown): string {
  if (error instanceof ResponseBodyError) return describeBodyError(error)
  const refusal = refusalOf(error) // errors of a token endpoint have a body, see just above
  if (refusal !== undefined) return `the provider refuses the access token, or these credentials: ${refusal}`
  if (!(error instanceof Error)) return String(error)
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof ProviderUnreachable) return cause.message // openid-client wraps it in "something went wrong"
  }
  return 'detail' in error && typeof error.detail === 'string' ? error.detail : error.message
}

/** By RFC 6749 5.2 both are texts, but openid-client checks only the first, so the other may have any type. */
export function describeBodyError({ error, error_description: said }: ResponseBodyError): string {
  return `${inWords(error) ?? 'no error code'}: ${inWords(said) ?? 'no description'}`
}

/** The claims of the last ID token; it was verified when it came. */
function oldClaims({ row }: LiveSession, { idToken }: Tokens): IdTokenClaims {
  return { ...(idToken !== undefined && decodeJwt(idToken)), sub: row.subject }
}

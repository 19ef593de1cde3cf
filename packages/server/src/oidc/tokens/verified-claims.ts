// Turns the tokens of a provider into the claims that a session keeps: verifies the ID token, and asks the userinfo
// endpoint for missing claims. Used at the sign-in and at every refresh, so that both read the same.

import { ClientError, WWWAuthenticateChallengeError, fetchUserInfo } from 'openid-client'
import type { JWTPayload } from 'jose'

import { claimKey, type ClaimName } from '../../values/claim-name.ts'
import { RelayError } from '../../errors.ts'
import { claimOf, readClaims, type Incomplete } from '../provider/claims.ts'
import { verifyIdToken } from '../provider/id-token.ts'
import { describeChallenges } from '../provider/provider-words.ts'
import type { ReadyProvider, Registration } from '../registration/registration.ts'
import type { VisitorClaims } from '../../session/session-row.ts'

const MAX_SID = 255

export type IdTokenClaims = JWTPayload & { sub: string }

/**
 * Throws `provider_unreachable` if the keys cannot be fetched, `sign_in_failed` if the token is refused.
 * @param nonce of the sign-in; undefined for a token that came in a refresh
 */
export async function verifyTokens(
  idToken: string,
  { config }: Registration,
  { metadata, keys }: ReadyProvider,
  { nonce, now }: { nonce: string | undefined; now: number },
): Promise<IdTokenClaims> {
  const verdict = await verifyIdToken(idToken, {
    issuer: metadata.issuer,
    clientId: config.client_id,
    nonce,
    listedAlgorithms: metadata.id_token_signing_alg_values_supported,
    keys,
    ...(config.id_token_alg === 'HS256' && { sharedSecret: config.client_secret?.reveal() ?? '' }), // '' is refused
    now,
  })
  if (verdict.ok) return verdict.claims
  const code = verdict.reason === 'keys_unavailable' ? 'provider_unreachable' : 'sign_in_failed'
  throw new RelayError(code, { detail: `ID token: ${verdict.detail}`, cause: verdict.cause })
}

/**
 * Throws `sign_in_failed` if a claim that decides is not complete, and errors of openid-client, for example if userinfo
 * is about another subject. If userinfo refuses, the ID token counts.
 * @param always asks userinfo in any case, which then takes precedence: the token is old
 */
export async function readVisitor(
  idToken: IdTokenClaims,
  accessToken: string,
  registration: Registration,
  { metadata, configuration }: ReadyProvider,
  { always = false }: { always?: boolean } = {},
): Promise<VisitorClaims> {
  const lacks = always || wantedClaims(registration).some((claim) => claimOf(idToken, claim) === undefined)
  let userInfo: Readonly<Record<string, unknown>> | undefined
  if (lacks && metadata.userinfo_endpoint !== undefined) {
    try {
      userInfo = await fetchUserInfo(configuration, accessToken, idToken.sub)
    } catch (error) {
      const refusal = refusalOf(error)
      if (refusal === undefined || always) throw error
      checkDecidable(idToken, registration, refusal)
      const { edgeId, provider, config } = registration
      const fields = { edge: edgeId, issuer: config.issuer_url, user: idToken.sub, reason: refusal }
      provider.log.warn(fields, 'userinfo refuses the access token: the claims of the ID token count')
    }
  }
  // The relay asked userinfo because the token is old, so userinfo takes precedence.
  const [first, second] = always && userInfo ? [userInfo, idToken] : [idToken, userInfo]
  const claims = readClaims(first, second, [...registration.decidingClaims.values(), { claim: 'groups' }])
  for (const [key, incomplete] of claims.incomplete) checkComplete(key, incomplete, registration)
  const { auth_time: authTime, sid } = idToken
  return {
    subject: idToken.sub,
    ...(claims.name !== undefined && { name: claims.name }),
    ...(claims.email !== undefined && { email: claims.email }),
    ...(claims.emailVerified !== undefined && { email_verified: claims.emailVerified }),
    ...(typeof authTime === 'number' && { auth_time: authTime }),
    groups: Object.fromEntries(Object.entries(claims.groups).map(([claim, groups]) => [claim, [...groups]])),
    ...(typeof sid === 'string' && sid !== '' && sid.length <= MAX_SID && { sid }),
  }
}

/** A claim that could not be requested must not decide, because a visitor without the claim could pass a `deny`. */
function checkDecidable(idToken: IdTokenClaims, { config, needs }: Registration, refusal: string): void {
  const lacks = (name: ClaimName): boolean => claimOf(idToken, name) === undefined
  const missing = [
    ...(needs.email && lacks('email') ? ['email'] : []),
    ...(needs.verifiedEmail && lacks('email_verified') ? ['email_verified'] : []),
    ...[...needs.claims.values()].filter(({ claim }) => lacks(claim)).map(({ claim }) => claimKey({ claim })),
  ]
  if (missing.length === 0) return
  throw new RelayError('sign_in_failed', {
    detail: `${config.issuer_url} has left ${missing.join(', ')} out of the ID token, although allow or deny needs it, and its userinfo endpoint refuses the access token (${refusal}); set it to put the claim into the ID token`,
    advice: ({ instead }) => instead.reasonInLog,
  })
}

/**
 * A list that is cut short or not readable must not decide, because a visitor with a missing value could pass a `deny`,
 * or fail an `allow`.
 */
function checkComplete(key: string, { kind, found }: Incomplete, { config, decidingClaims }: Registration): void {
  const reading = decidingClaims.get(key)
  if (!reading) return
  const claim = claimKey({ claim: reading.claim })
  if (kind === 'unreadable') {
    throw new RelayError('sign_in_failed', {
      detail: `the claim ${claim} of ${config.issuer_url} holds ${found}; the relay reads a text, a list of texts, or an object whose keys are the values and whose members are objects or true`,
      advice: ({ instead }) => instead.reasonInLog,
    })
  }
  throw new RelayError('sign_in_failed', {
    detail: `${config.issuer_url} lists more in the claim ${claim} than it sends, or than the relay takes (${found}); set it to send only the values for this client`,
    advice: ({ instead }) => instead.tooManyGroups,
  })
}

/** The claims that the scopes and the routes lead us to expect. */
function wantedClaims({ config, decidingClaims }: Registration): ClaimName[] {
  return [
    ...(config.scopes.includes('email') ? ['email', 'email_verified'] : []),
    ...(config.scopes.includes('profile') ? ['name'] : []),
    ...(config.scopes.includes('groups') ? ['groups'] : []),
    ...Array.from(decidingClaims.values(), ({ claim }) => claim),
  ]
}

/** A few words if userinfo answered without claims. A provider may want another token there, or have no claims. */
export function refusalOf(error: unknown): string | undefined {
  if (error instanceof WWWAuthenticateChallengeError && error.status !== 200) {
    return `HTTP ${error.status}: ${describeChallenges(error)}`
  }
  const answer = error instanceof ClientError ? error.cause : undefined
  return answer instanceof Response && answer.status !== 200 ? `HTTP ${answer.status}` : undefined
}

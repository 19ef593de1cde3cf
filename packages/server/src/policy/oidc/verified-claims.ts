// From the tokens of a provider to what a session keeps: the ID token is verified, and what it does not say is asked at
// the userinfo endpoint. Used at the sign-in and at every refresh, so that both read the same.

import { fetchUserInfo } from 'openid-client'
import type { JWTPayload } from 'jose'

import type { ClaimName } from '../../config/claim-name.ts'
import { RelayError } from '../../errors.ts'
import { claimOf, readClaims } from './claims.ts'
import { verifyIdToken } from './id-token.ts'
import type { ReadyProvider, Registration } from './registration.ts'
import type { SessionRow } from './session-row.ts'

const MAX_SID = 255

export type IdTokenClaims = JWTPayload & { sub: string }

/** What a session keeps of the claims. */
export type VisitorClaims = Pick<
  SessionRow,
  'subject' | 'name' | 'email' | 'email_verified' | 'auth_time' | 'groups' | 'sid'
>

/**
 * Throws `provider_unreachable` where the keys cannot be had, `sign_in_failed` where the token is refused.
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

/** Throws `sign_in_failed` where a claim that decides is not complete, and what openid-client throws. */
export async function readVisitor(
  idToken: IdTokenClaims,
  accessToken: string,
  registration: Registration,
  { metadata, configuration }: ReadyProvider,
  { always = false }: { always?: boolean } = {},
): Promise<VisitorClaims> {
  const lacks = always || wantedClaims(registration).some((claim) => claimOf(idToken, claim) === undefined)
  const userInfo =
    lacks && metadata.userinfo_endpoint !== undefined
      ? await fetchUserInfo(configuration, accessToken, idToken.sub)
      : undefined
  // What is asked for because the token is old wins over the token.
  const [first, second] = always && userInfo ? [userInfo, idToken] : [idToken, userInfo]
  const claims = readClaims(first, second, [...registration.decidingClaims.values(), 'groups'])
  for (const key of claims.incomplete) checkComplete(key, registration)
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

/** A list that is cut short must not decide: whom it does not name could pass a `deny`, or fail an `allow`. */
function checkComplete(key: string, { config, decidingClaims }: Registration): void {
  if (!decidingClaims.has(key)) return
  throw new RelayError('sign_in_failed', {
    detail: `${config.issuer_url} lists more in the claim ${key} than it sends, or than the relay takes; have it send only what concerns this client`,
    advice: 'Your account has more groups than this sign-in can carry. The owner of this site can narrow them down.',
  })
}

/** The claims that the scopes and the routes lead us to expect. */
function wantedClaims({ config, decidingClaims }: Registration): ClaimName[] {
  return [
    ...(config.scopes.includes('email') ? ['email', 'email_verified'] : []),
    ...(config.scopes.includes('profile') ? ['name'] : []),
    ...(config.scopes.includes('groups') ? ['groups'] : []),
    ...decidingClaims.values(),
  ]
}

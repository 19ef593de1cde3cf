// The check of an ID token (OpenID Connect Core 3.1.3.7), by signature and by claims: the only check, because
// openid-client does not get the token (token-answer.ts). Pure except for the keys, which the caller brings.

import type { JWTPayload } from 'jose'

import { addressProblem, verifySignature, type SigningRules } from './signed-token.ts'

export { CLOCK_TOLERANCE_S, acceptableAlgorithms } from './signed-token.ts'

const MAX_SUBJECT = 255 // OpenID Connect Core 2: "It MUST NOT exceed 255 ASCII characters in length."

export interface IdTokenRules extends SigningRules {
  issuer: string
  clientId: string
  /** The nonce of the sign-in. Undefined for a token that came in a refresh. */
  nonce: string | undefined
  now: number
}

export type IdTokenVerdict =
  | { ok: true; claims: JWTPayload & { sub: string } }
  | { ok: false; reason: 'keys_unavailable' | 'refused'; detail: string; cause: unknown }

export async function verifyIdToken(token: string, rules: IdTokenRules): Promise<IdTokenVerdict> {
  const signed = await verifySignature(token, rules)
  if (!signed.ok) return signed
  const { claims } = signed
  const problem = claimProblem(claims, rules) ?? addressProblem(claims, rules)
  if (problem) return { ok: false, reason: 'refused', detail: problem, cause: undefined }
  return { ok: true, claims: claims as JWTPayload & { sub: string } } // claimProblem looked at sub
}

function claimProblem(claims: JWTPayload, { clientId, nonce }: IdTokenRules): string | undefined {
  if (typeof claims.sub !== 'string' || claims.sub === '' || claims.sub.length > MAX_SUBJECT) return 'sub is not usable'
  if (claims.exp === undefined) return 'exp is missing'
  if (nonce !== undefined && claims.nonce !== nonce) return 'nonce is that of another sign-in'
  // OpenID Connect Core 3.1.3.7: several audiences need an authorized party, which must be this client.
  const several = Array.isArray(claims.aud) && claims.aud.length > 1
  if ((several || claims.azp !== undefined) && claims.azp !== clientId) return 'azp is another client'
  return undefined
}

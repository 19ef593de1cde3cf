// The check of an ID token, by signature and by claims. openid-client checks claims but no signature by default, so
// every ID token also goes through here. Pure but for the keys, which the caller brings.

import { decodeProtectedHeader, errors, jwtVerify, type JWTPayload, type JWTVerifyGetKey } from 'jose'

import { PUBLIC_KEY_ALGORITHMS } from '../../config/public-key-algorithms.ts'
import { ProviderUnreachable } from './provider-fetch.ts'

const ASYMMETRIC: ReadonlySet<string> = new Set(PUBLIC_KEY_ALGORITHMS)
/** Two minutes, and what a slow answer adds: clocks of virtual machines are off so far. */
export const CLOCK_TOLERANCE_S = 150
const MAX_SUBJECT = 255 // OpenID Connect Core 2: "It MUST NOT exceed 255 ASCII characters in length."

export interface IdTokenRules {
  issuer: string
  clientId: string
  /** Of the sign-in. Undefined for a token that came straight from the token endpoint in a refresh. */
  nonce: string | undefined
  /** As discovery lists them; undefined where it lists none. */
  listedAlgorithms: readonly string[] | undefined
  keys: JWTVerifyGetKey
  /** The client secret, only where the configuration says `id_token_alg: HS256`. */
  sharedSecret?: string
  now: number
}

export type IdTokenVerdict =
  | { ok: true; claims: JWTPayload & { sub: string } }
  | { ok: false; reason: 'keys_unavailable' | 'refused'; detail: string; cause: unknown }

export async function verifyIdToken(token: string, rules: IdTokenRules): Promise<IdTokenVerdict> {
  // RFC 7518 3.2: "A key of the same size as the hash output or larger MUST be used"; an empty one is known to all.
  if (rules.sharedSecret === '')
    return { ok: false, reason: 'refused', detail: 'HS256 without a secret', cause: undefined }
  try {
    const options = {
      issuer: rules.issuer,
      audience: rules.clientId,
      requiredClaims: ['iss', 'sub', 'aud', 'exp', 'iat', ...(rules.nonce === undefined ? [] : ['nonce'])],
      clockTolerance: CLOCK_TOLERANCE_S,
      currentDate: new Date(rules.now),
    }
    const { payload } =
      rules.sharedSecret === undefined
        ? await jwtVerify(token, rules.keys, { ...options, algorithms: acceptableAlgorithms(rules.listedAlgorithms) })
        : await jwtVerify(token, new TextEncoder().encode(rules.sharedSecret), { ...options, algorithms: ['HS256'] })
    const problem = claimProblem(payload, rules)
    if (problem) return { ok: false, reason: 'refused', detail: problem, cause: undefined }
    return { ok: true, claims: payload as JWTPayload & { sub: string } } // claimProblem looked at sub
  } catch (cause) {
    const detail = explain(token, cause)
    // Keys that cannot be had are the provider's trouble; everything else is the token's.
    const unavailable =
      cause instanceof ProviderUnreachable ||
      cause instanceof errors.JWKSTimeout ||
      cause instanceof errors.JWKSInvalid ||
      (cause instanceof errors.JOSEError && cause.code === 'ERR_JOSE_GENERIC')
    return { ok: false, reason: unavailable ? 'keys_unavailable' : 'refused', detail, cause }
  }
}

/** For the operator: a wrong algorithm is a setting, there or here. */
function explain(token: string, cause: unknown): string {
  if (!(cause instanceof errors.JOSEAlgNotAllowed)) return cause instanceof Error ? cause.message : String(cause)
  const alg = String(decodeProtectedHeader(token).alg).slice(0, 16) // jose has read it before it refused it
  if (alg !== 'HS256') return `it is signed with ${alg}, which is not among what is taken from this provider`
  return 'it is signed with the client secret (HS256); write id_token_alg: HS256, or have the provider sign with a key'
}

/** Those of a provider's algorithms that an ID token may be signed with, unless the configuration says HS256. */
export function acceptableAlgorithms(listed: readonly string[] | undefined): string[] {
  // OpenID Connect Core 2: "The default value for id_token_signed_response_alg is RS256."
  if (listed === undefined) return ['RS256']
  return listed.filter((algorithm) => ASYMMETRIC.has(algorithm))
}

function claimProblem(claims: JWTPayload, { clientId, nonce, now }: IdTokenRules): string | undefined {
  if (typeof claims.sub !== 'string' || claims.sub === '' || claims.sub.length > MAX_SUBJECT) return 'sub is not usable'
  const aheadS = Math.round((claims.iat ?? 0) - now / 1000)
  if (aheadS > CLOCK_TOLERANCE_S) return `it was issued ${aheadS} s in the future; set the clocks of relay and provider`
  if (nonce !== undefined && claims.nonce !== nonce) return 'nonce is that of another sign-in'
  // OpenID Connect Core 3.1.3.7: several audiences need an authorized party, and it must be us.
  const several = Array.isArray(claims.aud) && claims.aud.length > 1
  if ((several || claims.azp !== undefined) && claims.azp !== clientId) return 'azp is another client'
  return undefined
}

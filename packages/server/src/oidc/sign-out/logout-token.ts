// The check of a logout token (OpenID Connect Back-Channel Logout 1.0, section 2.6). Pure except for the keys, which
// the caller brings. An ID token does not pass: it has no such event, and it has a nonce.

import { decodeJwt, type JWTPayload } from 'jose'

import { CLOCK_TOLERANCE_S, addressProblem, verifySignature, type SigningRules } from '../provider/signed-token.ts'

const EVENT = 'http://schemas.openid.net/event/backchannel-logout'
const MAX_TEXT = 255
/**
 * Longer than any URL of an issuer. The text is not trusted yet, and parsing a host with non-ASCII letters takes
 * quadratic time.
 */
const MAX_ISSUER = 512
/** An older token is refused. Until then, its `jti` is remembered. */
export const LOGOUT_TOKEN_AGE_S = 300

export interface LogoutTokenRules extends SigningRules {
  issuer: string
  clientId: string
  now: number
}

/** The subject and the session; at least one of the two is present. */
export interface LogoutToken {
  jti: string
  sub: string | undefined
  sid: string | undefined
}

export type LogoutTokenVerdict =
  | { ok: true; token: LogoutToken }
  | { ok: false; reason: 'keys_unavailable' | 'refused'; detail: string }

/** The unverified issuer and audience of a token. Undefined if it is not a JWT. */
export function addresseesOf(token: string): { issuer: string; audience: readonly string[] } | undefined {
  try {
    const { iss, aud } = decodeJwt(token)
    if (typeof iss !== 'string' || iss.length > MAX_ISSUER || aud === undefined) return undefined
    return { issuer: iss, audience: Array.isArray(aud) ? aud : [aud] }
  } catch {
    return undefined // not a token, for any reason of jose
  }
}

export async function verifyLogoutToken(token: string, rules: LogoutTokenRules): Promise<LogoutTokenVerdict> {
  const signed = await verifySignature(token, rules)
  if (!signed.ok) return { ok: false, reason: signed.reason, detail: signed.detail }
  const { claims, typ } = signed
  const detail =
    headerProblem(typ) ?? claimProblem(claims) ?? addressProblem(claims, rules) ?? ageProblem(claims, rules)
  if (detail !== undefined) return { ok: false, reason: 'refused', detail }
  const { jti, sub, sid } = claims as { jti: string; sub?: string; sid?: string } // claimProblem has checked it
  return { ok: true, token: { jti, sub, sid } }
}

/**
 * Only the final text of the specification has `exp`, and Ory Hydra does not send it. Age and `jti` limit a token
 * without it.
 */
function ageProblem({ iat = 0 }: JWTPayload, { now }: LogoutTokenRules): string | undefined {
  const ageS = Math.round(now / 1000 - iat)
  return ageS > LOGOUT_TOKEN_AGE_S + CLOCK_TOLERANCE_S ? `it was issued ${ageS} s ago, which is too long` : undefined
}

/** Section 2.4: explicit typing is recommended, not required; providers that do not know it say JWT or nothing. */
function headerProblem(typ: string | undefined): string | undefined {
  if (typ === undefined || /^(?:application\/)?(?:logout\+jwt|jwt)$/i.test(typ)) return undefined
  return `typ is ${typ.slice(0, 40)}`
}

function claimProblem({ jti, sub, sid, events, nonce }: JWTPayload): string | undefined {
  if (!isText(jti)) return 'jti is not usable'
  if (nonce !== undefined) return 'it has a nonce, as ID tokens have'
  const event =
    typeof events === 'object' && events !== null && Object.hasOwn(events, EVENT) && (events as Events)[EVENT]
  if (typeof event !== 'object' || event === null) return 'it does not report a sign-out (events)'
  if (sub === undefined && sid === undefined) return 'it has neither sub nor sid'
  if ((sub !== undefined && !isText(sub)) || (sid !== undefined && !isText(sid))) return 'sub or sid is not usable'
  return undefined
}

type Events = Record<string, unknown>

function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== '' && value.length <= MAX_TEXT
}

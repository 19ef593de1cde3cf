// The check of a logout token (OpenID Connect Back-Channel Logout 1.0, section 2.6). Pure but for the keys, which the
// caller brings. An ID token is none: it has no such event, and it has a nonce.

import { decodeJwt, errors, jwtVerify, type JWTPayload, type JWTVerifyGetKey } from 'jose'

import { CLOCK_TOLERANCE_S, acceptableAlgorithms } from './id-token.ts'
import { ProviderUnreachable } from './provider-fetch.ts'

const EVENT = 'http://schemas.openid.net/event/backchannel-logout'
const MAX_TEXT = 255
/** Longer than any URL of an issuer. Nothing of it is believed yet, and to read a host of foreign letters takes their square. */
const MAX_ISSUER = 512
/** An older one has been on its way too long; until then its `jti` is remembered. */
export const LOGOUT_TOKEN_AGE_S = 300

export interface LogoutTokenRules {
  issuer: string
  clientId: string
  /** As discovery lists them; undefined where it lists none. */
  listedAlgorithms: readonly string[] | undefined
  keys: JWTVerifyGetKey
  /** The client secret, only where the configuration says `id_token_alg: HS256`. */
  sharedSecret?: string
  now: number
}

/** Whom it is about: at least one of the two is there. */
export interface LogoutToken {
  jti: string
  sub: string | undefined
  sid: string | undefined
}

export type LogoutTokenVerdict =
  | { ok: true; token: LogoutToken }
  | { ok: false; reason: 'keys_unavailable' | 'refused'; detail: string }

/** What a token says about who made it for whom, before anything of it is believed. Undefined where it is no JWT. */
export function addresseesOf(token: string): { issuer: string; audience: readonly string[] } | undefined {
  try {
    const { iss, aud } = decodeJwt(token)
    if (typeof iss !== 'string' || iss.length > MAX_ISSUER || aud === undefined) return undefined
    return { issuer: iss, audience: Array.isArray(aud) ? aud : [aud] }
  } catch {
    return undefined // whatever jose has to say about it, it is no token
  }
}

export async function verifyLogoutToken(token: string, rules: LogoutTokenRules): Promise<LogoutTokenVerdict> {
  const { sharedSecret } = rules
  // RFC 7518 3.2, as for ID tokens: an empty key is known to all.
  if (sharedSecret === '') return { ok: false, reason: 'refused', detail: 'HS256 without a secret' }
  try {
    const options = {
      issuer: rules.issuer,
      audience: rules.clientId,
      requiredClaims: ['iss', 'aud', 'iat', 'exp', 'jti', 'events'],
      maxTokenAge: LOGOUT_TOKEN_AGE_S,
      clockTolerance: CLOCK_TOLERANCE_S,
      currentDate: new Date(rules.now),
    }
    const { payload, protectedHeader } =
      sharedSecret === undefined
        ? await jwtVerify(token, rules.keys, { ...options, algorithms: acceptableAlgorithms(rules.listedAlgorithms) })
        : await jwtVerify(token, new TextEncoder().encode(sharedSecret), { ...options, algorithms: ['HS256'] })
    const detail = headerProblem(protectedHeader.typ) ?? claimProblem(payload)
    if (detail !== undefined) return { ok: false, reason: 'refused', detail }
    const { jti, sub, sid } = payload as { jti: string; sub?: string; sid?: string } // as claimProblem has seen
    return { ok: true, token: { jti, sub, sid } }
  } catch (cause) {
    const unavailable =
      cause instanceof ProviderUnreachable ||
      cause instanceof errors.JWKSTimeout ||
      cause instanceof errors.JWKSInvalid ||
      (cause instanceof errors.JOSEError && cause.code === 'ERR_JOSE_GENERIC')
    const detail = cause instanceof Error ? cause.message : String(cause)
    return { ok: false, reason: unavailable ? 'keys_unavailable' : 'refused', detail }
  }
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
  if (typeof event !== 'object' || event === null) return 'it does not tell of a sign-out (events)'
  if (sub === undefined && sid === undefined) return 'it has neither sub nor sid'
  if ((sub !== undefined && !isText(sub)) || (sid !== undefined && !isText(sid))) return 'sub or sid is not usable'
  return undefined
}

type Events = Record<string, unknown>

function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== '' && value.length <= MAX_TEXT
}

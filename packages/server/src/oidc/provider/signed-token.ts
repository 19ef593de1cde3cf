// A token that a provider has signed: its signature, and its claims in normal form. id-token.ts and logout-token.ts
// check the claims. Pure except for the keys, which the caller brings.

import {
  compactVerify,
  decodeProtectedHeader,
  errors,
  type CompactJWSHeaderParameters,
  type CryptoKey,
  type FlattenedJWSInput,
  type JWTPayload,
} from 'jose'

import { PUBLIC_KEY_ALGORITHMS } from '../../values/public-key-algorithms.ts'
import { ProviderUnreachable } from './provider-fetch.ts'
import { withoutNulls } from './without-nulls.ts'

const ASYMMETRIC: ReadonlySet<string> = new Set(PUBLIC_KEY_ALGORITHMS)
const NUMERIC = ['exp', 'iat', 'nbf', 'auth_time'] as const
/** Two minutes, because clocks of virtual machines differ by so much, plus the delay of a slow answer. */
export const CLOCK_TOLERANCE_S = 150
const CLOCKS = 'set the clocks of relay and provider'

/** The key that has signed a token, by its header and, if several are possible, by its signature. */
export type FindKey = (header: CompactJWSHeaderParameters, token: FlattenedJWSInput) => Promise<CryptoKey>

export interface SigningRules {
  /** As discovery lists them; undefined if it lists none. */
  listedAlgorithms: readonly string[] | undefined
  keys: FindKey
  /** The client secret; present only if the configuration says `id_token_alg: HS256`. */
  sharedSecret?: string
}

export type SignatureVerdict =
  | { ok: true; claims: JWTPayload; typ: string | undefined }
  | { ok: false; reason: 'keys_unavailable' | 'refused'; detail: string; cause: unknown }

export async function verifySignature(
  token: string,
  { listedAlgorithms, keys, sharedSecret }: SigningRules,
): Promise<SignatureVerdict> {
  const refused = (detail: string): SignatureVerdict => ({ ok: false, reason: 'refused', detail, cause: undefined })
  // RFC 7518 3.2: "A key of the same size as the hash output or larger MUST be used"; everybody knows the empty one.
  if (sharedSecret === '') return refused('HS256 without a secret')
  try {
    const { payload, protectedHeader } =
      sharedSecret === undefined
        ? await compactVerify(token, keys, { algorithms: acceptableAlgorithms(listedAlgorithms) })
        : await compactVerify(token, new TextEncoder().encode(sharedSecret), { algorithms: ['HS256'] })
    // RFC 7519 7.2 and RFC 7797 7: we know no critical header, and the payload is never unencoded.
    if (protectedHeader.crit !== undefined) return refused('its header declares an extension critical (crit)')
    const claims = claimsIn(payload)
    return claims ? { ok: true, claims, typ: protectedHeader.typ } : refused('its claims are not a JSON object')
  } catch (cause) {
    // If the keys cannot be fetched, the provider is at fault; every other error means that the token is bad.
    const unavailable =
      cause instanceof ProviderUnreachable ||
      cause instanceof errors.JWKSTimeout ||
      cause instanceof errors.JWKSInvalid ||
      (cause instanceof errors.JOSEError && cause.code === 'ERR_JOSE_GENERIC')
    return { ok: false, reason: unavailable ? 'keys_unavailable' : 'refused', detail: explain(token, cause), cause }
  }
}

/** The provider's algorithms with which a token may be signed, unless the configuration says HS256. */
export function acceptableAlgorithms(listed: readonly string[] | undefined): string[] {
  // OpenID Connect Core 2: "The default value for id_token_signed_response_alg is RS256."
  if (!Array.isArray(listed)) return ['RS256'] // a malformed list counts as missing
  return listed.filter((algorithm) => ASYMMETRIC.has(algorithm))
}

/**
 * Checks issuer, audience and times, and returns one clause about a problem. `iss`, `aud` and `iat` are required; the
 * caller decides whether `exp` is.
 */
export function addressProblem(
  { iss, aud, iat, exp, nbf }: JWTPayload,
  { issuer, clientId, now }: { issuer: string; clientId: string; now: number },
): string | undefined {
  if (iss !== issuer) return iss === undefined ? 'iss is missing' : 'iss is another issuer'
  if (aud === undefined) return 'aud is missing'
  if (!(Array.isArray(aud) ? aud : [aud]).includes(clientId)) return 'aud is another client'
  if (iat === undefined) return 'iat is missing'
  for (const time of [iat, exp, nbf]) {
    if (time !== undefined && !Number.isFinite(time)) return 'iat, exp or nbf is not a number'
  }
  const nowS = Math.floor(now / 1000)
  const ahead = (time: number | undefined): number => Math.round((time ?? 0) - nowS)
  if (ahead(iat) > CLOCK_TOLERANCE_S) return `it was issued ${ahead(iat)} s in the future; ${CLOCKS}`
  if (ahead(nbf) > CLOCK_TOLERANCE_S) return `it is not valid for another ${ahead(nbf)} s; ${CLOCKS}`
  if (exp !== undefined && exp <= nowS - CLOCK_TOLERANCE_S) return `it expired ${-ahead(exp)} s ago; ${CLOCKS}`
  return undefined
}

/**
 * The claims of a token; undefined if they are not a JSON object. A null member counts as missing, and a time may be a
 * text.
 */
function claimsIn(payload: Uint8Array): JWTPayload | undefined {
  let written: unknown
  try {
    written = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload))
  } catch {
    return undefined // the caller says so
  }
  if (typeof written !== 'object' || written === null || Array.isArray(written)) return undefined
  const claims = withoutNulls(written as Record<string, unknown>) // an object, as just seen
  for (const name of NUMERIC) {
    const value = claims[name]
    if (typeof value === 'string' && /^\d{1,12}$/.test(value)) claims[name] = Number(value)
  }
  return claims
}

/** The reason for the operator, because a wrong algorithm means a wrong setting at the provider or here. */
function explain(token: string, cause: unknown): string {
  if (token.split('.', 6).length === 5) {
    return 'it is encrypted; turn ID token encryption off for this client at the provider'
  }
  if (!(cause instanceof errors.JOSEAlgNotAllowed)) return cause instanceof Error ? cause.message : String(cause)
  const alg = String(decodeProtectedHeader(token).alg).slice(0, 16) // jose has read the header before refusing it
  if (alg !== 'HS256')
    return `it is signed with ${alg}, which is not an algorithm that the relay takes from this provider`
  return 'it is signed with the client secret (HS256); write id_token_alg: HS256, or have the provider sign with a key'
}

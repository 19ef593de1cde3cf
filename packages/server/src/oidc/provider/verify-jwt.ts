// The check of one token of a program: signature, issuer, audience, times, kind, required claims. Pure except for the
// keys, which the caller brings.

import type { CryptoKey, FlattenedJWSInput, JWSHeaderParameters, JWTPayload } from 'jose'

import { algorithmsOf } from '../../policy/jwt-validation/jwt-validation-schema.ts'
import type { JwtValidationConfig } from '../../policy/jwt-validation/jwt-validation-schema.ts'
import { readClaims } from './claims.ts'
import { ProviderUnreachable } from './provider-fetch.ts'

const TOKEN_MAX_CHARS = 16_384
const MAX_SUBJECT = 255
/** RFC 9068 2.1 */
const ACCESS_TOKEN = 'at+jwt'
/** ngrok's name for ID tokens in policies; the tokens themselves rarely have a `typ`. */
const ID_TOKEN = 'it+jwt'

export type TokenType = JwtValidationConfig['http']['tokens'][number]['type']

export interface JwtRules {
  config: JwtValidationConfig
  type: TokenType
  /** The key with which a token of this issuer was signed. The issuer is one of the list. */
  findKey: (issuer: string, header: JWSHeaderParameters, token: FlattenedJWSInput) => Promise<CryptoKey>
  now: number
}

export type JwtVerdict =
  | { ok: true; claims: JWTPayload & { iss: string; sub: string; exp: number } }
  | { ok: false; reason: 'keys_unavailable' | 'expired' | 'refused'; detail: string }
  | { ok: false; reason: 'insufficient'; subject: string; claim: string; wanted: readonly string[] }

export async function verifyJwt(token: string, { config, type, findKey, now }: JwtRules): Promise<JwtVerdict> {
  if (token.length > TOKEN_MAX_CHARS) return refused('too long')
  const { decodeJwt, errors, jwtVerify } = await import('jose') // not every relay needs it
  try {
    // These claims are not trusted yet. They only choose the issuer whose keys are used.
    const { iss } = decodeJwt(token)
    if (iss === undefined || !config.issuer.allow_list.some(({ value }) => value === iss)) {
      return refused('iss is not in the list')
    }
    const secret = config.jws.keys.sources.shared_secret
    const audiences = config.audience?.allow_list
    const options = {
      algorithms: [...algorithmsOf(config)],
      issuer: iss,
      ...(audiences && { audience: audiences.map(({ value }) => value) }),
      requiredClaims: ['iss', 'sub', 'exp'],
      clockTolerance: config.clock_tolerance / 1000,
      currentDate: new Date(now),
    }
    const { payload, protectedHeader } = secret
      ? await jwtVerify(token, new TextEncoder().encode(secret.reveal()), options)
      : await jwtVerify(
          token,
          (header: JWSHeaderParameters, jws: FlattenedJWSInput) => findKey(iss, header, jws),
          options,
        )
    const problem = kindProblem(protectedHeader.typ, type) ?? subjectProblem(payload.sub)
    if (problem) return refused(problem)
    const missing = missingClaim(payload, config)
    if (missing) return { ok: false, reason: 'insufficient', subject: payload.sub!, ...missing } // looked at just above
    return { ok: true, claims: payload as JWTPayload & { iss: string; sub: string; exp: number } } // all three were looked at
  } catch (cause) {
    if (cause instanceof ProviderUnreachable) return { ok: false, reason: 'keys_unavailable', detail: cause.message }
    if (cause instanceof errors.JWTExpired) return { ok: false, reason: 'expired', detail: cause.message }
    return refused(cause instanceof Error ? cause.message : String(cause))
  }
}

/** If a token has a type, it must be the right one, because a logout token or a proof is not an access token. */
function kindProblem(typ: string | undefined, wanted: TokenType): string | undefined {
  const kind = typ?.toLowerCase().replace(/^application\//, '')
  if (wanted === ACCESS_TOKEN) return kind === ACCESS_TOKEN ? undefined : 'typ is not at+jwt'
  const own = wanted === 'id_token' || wanted === ID_TOKEN ? ID_TOKEN : ACCESS_TOKEN
  return kind === undefined || kind === 'jwt' || kind === own ? undefined : 'typ is the type of another kind of token'
}

function subjectProblem(subject: unknown): string | undefined {
  const isUsable = typeof subject === 'string' && subject !== '' && subject.length <= MAX_SUBJECT
  return isUsable ? undefined : 'sub is not usable'
}

function missingClaim(
  claims: JWTPayload,
  { required_claims = [] }: JwtValidationConfig,
): { claim: string; wanted: readonly string[] } | undefined {
  const { groups } = readClaims(
    claims,
    undefined,
    required_claims.map(({ claim }) => ({ claim })),
  )
  for (const { claim, any_of } of required_claims) {
    const values = groups[claim] ?? []
    // RFC 8693 4.2: scopes are one text with spaces.
    const found = claim === 'scope' || claim === 'scp' ? values.flatMap((value) => value.split(' ')) : values
    if (any_of ? !any_of.some((value) => found.includes(value)) : found.length === 0) {
      return { claim, wanted: any_of ?? [] }
    }
  }
  return undefined
}

function refused(detail: string): JwtVerdict {
  return { ok: false, reason: 'refused', detail }
}

// What the provider says about a visitor, reduced to what sign-in needs. Pure: no I/O, no clock.

import type { ClaimName } from '../../config/claim-name.ts'
import { claimKey } from '../../config/claim-name.ts'

const MAX_TEXT = 512
const MAX_VALUES = 500 // they stand in the session and in headers to the app
const MAX_VALUE = 256

/** What a session keeps of the claims. */
export interface Claims {
  name?: string
  /** As the provider names it, verified or not. */
  email?: string
  /** What the provider says about the address; undefined where it says nothing. */
  emailVerified?: boolean
  /** What each claim lists, by `claimKey`. A claim that was asked for and not there is an empty list. */
  groups: Record<string, readonly string[]>
  /** Claims, by `claimKey`, of which the provider has not sent everything, or more or others than we can read. */
  incomplete: readonly string[]
}

type Raw = Readonly<Record<string, unknown>>

/**
 * @param idToken the claims of the verified ID token: they win
 * @param userInfo what the userinfo endpoint said of the same subject, where it was asked
 * @param listed the names of the claims that list groups and the like
 */
export function readClaims(idToken: Raw, userInfo: Raw | undefined, listed: Iterable<ClaimName>): Claims {
  const name = text(idToken.name) ?? text(userInfo?.name) ?? text(idToken.preferred_username)
  const email = text(idToken.email) ?? text(userInfo?.email)
  const emailVerified = email === undefined ? undefined : isVerified(email, [idToken, userInfo ?? {}])
  const groups: Record<string, readonly string[]> = Object.create(null) as Record<string, readonly string[]> // claim names are foreign
  const incomplete: string[] = []
  for (const claim of listed) {
    const value = claimOf(idToken, claim) ?? claimOf(userInfo, claim)
    const key = claimKey(claim)
    const values = list(value)
    groups[key] = values.slice(0, MAX_VALUES)
    const isElsewhere = value === undefined && isDistributed(idToken, claim)
    if (values.length > MAX_VALUES || isElsewhere || hasObjects(value)) incomplete.push(key)
  }
  return {
    ...(name !== undefined && { name }),
    ...(email !== undefined && { email }),
    ...(emailVerified !== undefined && { emailVerified }),
    groups,
    incomplete,
  }
}

/**
 * Looks up a claim. A text is looked up as it stands first, then as a path at its dots: Keycloak has
 * `realm_access.roles`, Auth0 URLs with dots. A list is a path of names that are taken as they stand.
 */
export function claimOf(claims: Raw | undefined, name: ClaimName): unknown {
  if (claims === undefined) return undefined
  if (typeof name === 'string' && Object.hasOwn(claims, name)) return claims[name]
  let value: unknown = claims
  for (const part of typeof name === 'string' ? name.split('.') : name) {
    if (typeof value !== 'object' || value === null || Array.isArray(value) || !Object.hasOwn(value, part)) {
      return undefined
    }
    value = (value as Raw)[part] // an object, as just seen
  }
  return value
}

/** OpenID Connect Core 5.6.2: too much for the token, so it only says where to ask. Entra does so with many groups. */
function isDistributed(claims: Raw, name: ClaimName): boolean {
  const elsewhere = claims._claim_names
  const first = typeof name === 'string' ? name : name[0]
  return typeof elsewhere === 'object' && elsewhere !== null && first !== undefined && Object.hasOwn(elsewhere, first)
}

/** Who says that an address is verified must name that address; a denial counts wherever it stands. */
function isVerified(email: string, sources: readonly Raw[]): boolean | undefined {
  const said = sources.map((claims) => [claims.email, claims.email_verified] as const)
  // OpenID Connect Core 5.1 has a boolean; some providers send it as text.
  const isYes = (value: unknown) => value === true || value === 'true'
  if (said.some(([, verified]) => verified !== undefined && !isYes(verified))) return false
  return said.some(([named, verified]) => named === email && isYes(verified)) ? true : undefined
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' && value.length <= MAX_TEXT ? value : undefined
}

/** One value counts as a list of one. What is neither text, number nor true or false is no value. */
function list(value: unknown): string[] {
  const entries = Array.isArray(value) ? (value as unknown[]) : [value]
  return entries
    .map((entry) => (typeof entry === 'number' || typeof entry === 'boolean' ? String(entry) : entry))
    .filter((entry) => typeof entry === 'string')
    .filter((entry) => entry !== '' && entry.length <= MAX_VALUE)
}

function hasObjects(value: unknown): boolean {
  const entries = Array.isArray(value) ? (value as unknown[]) : [value]
  return entries.some((entry) => typeof entry === 'object' && entry !== null)
}

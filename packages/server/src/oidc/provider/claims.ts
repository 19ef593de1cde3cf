// The provider's claims about a visitor, reduced to those that sign-in needs. Pure: no I/O, no clock.

import { claimKey, type ClaimName, type ClaimReading } from '../../values/claim-name.ts'

const MAX_TEXT = 512
const MAX_VALUES = 500 // sessions keep them, and apps get them in headers
const MAX_VALUE = 256

/** The claims that a session keeps. */
export interface Claims {
  name?: string
  /** As the provider sends it, verified or not. */
  email?: string
  /** The provider's statement about the address; undefined without one. */
  emailVerified?: boolean
  /** The values of each claim, by `claimKey`. A requested claim that is missing has an empty list. */
  groups: Record<string, readonly string[]>
  /** Claims, by `claimKey`, of which `groups` does not have all values. */
  incomplete: ReadonlyMap<string, Incomplete>
}

/** `more`: the provider has not sent all values, or has sent more than we take. `unreadable`: not a list of values. */
export interface Incomplete {
  kind: 'more' | 'unreadable'
  /** A description in a few words that we have written. */
  found: string
}

type Raw = Readonly<Record<string, unknown>>

/**
 * @param idToken the claims of the verified ID token: they win
 * @param userInfo the userinfo endpoint's claims about the same subject, if it was asked
 * @param listed the names of the claims that list groups and the like
 */
export function readClaims(idToken: Raw, userInfo: Raw | undefined, listed: Iterable<ClaimReading>): Claims {
  const name = text(idToken.name) ?? text(userInfo?.name) ?? text(idToken.preferred_username)
  const email = text(idToken.email) ?? text(userInfo?.email)
  const emailVerified = email === undefined ? undefined : isVerified(email, [idToken, userInfo ?? {}])
  const groups: Record<string, readonly string[]> = Object.create(null) as Record<string, readonly string[]> // claim names are foreign
  const incomplete = new Map<string, Incomplete>()
  for (const reading of listed) {
    const value = claimOf(idToken, reading.claim) ?? claimOf(userInfo, reading.claim)
    const key = claimKey(reading)
    const { values, unreadable } = list(value, reading.separator)
    groups[key] = values.slice(0, MAX_VALUES)
    if (unreadable !== undefined) incomplete.set(key, { kind: 'unreadable', found: unreadable })
    else if (values.length > MAX_VALUES) {
      incomplete.set(key, { kind: 'more', found: `${values.length} values, of which ${MAX_VALUES} are taken` })
    } else if (value === undefined && isDistributed(idToken, reading.claim)) {
      incomplete.set(key, { kind: 'more', found: 'only where to ask for it, in _claim_names' })
    }
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
 * Looks up a claim; null counts as missing. A text is looked up whole first, then as a path split at its dots: Keycloak
 * has `realm_access.roles`, Auth0 URLs with dots. A list is a path of whole names.
 */
export function claimOf(claims: Raw | undefined, name: ClaimName): unknown {
  if (claims === undefined) return undefined
  if (typeof name === 'string' && Object.hasOwn(claims, name)) return claims[name] ?? undefined
  let value: unknown = claims
  for (const part of typeof name === 'string' ? name.split('.') : name) {
    if (typeof value !== 'object' || value === null || Array.isArray(value) || !Object.hasOwn(value, part)) {
      return undefined
    }
    value = (value as Raw)[part] // an object, as just seen
  }
  return value ?? undefined
}

/**
 * OpenID Connect Core 5.6.2: the values are too many for the token, so it only says where to ask. Entra does so with
 * many groups.
 */
function isDistributed(claims: Raw, name: ClaimName): boolean {
  const elsewhere = claims._claim_names
  const first = typeof name === 'string' ? name : name[0]
  return typeof elsewhere === 'object' && elsewhere !== null && first !== undefined && Object.hasOwn(elsewhere, first)
}

/**
 * A source that calls an address verified must name that address. A source that calls it not verified counts in any
 * case.
 */
function isVerified(email: string, sources: readonly Raw[]): boolean | undefined {
  const said = sources.map((claims) => [claims.email, claims.email_verified] as const)
  // OpenID Connect Core 5.1 has a boolean; some providers send it as text.
  const isYes = (value: unknown) => value === true || value === 'true'
  if (said.some(([, verified]) => verified !== undefined && verified !== null && !isYes(verified))) return false
  return said.some(([named, verified]) => named === email && isYes(verified)) ? true : undefined
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' && value.length <= MAX_TEXT ? value : undefined
}

interface Listed {
  values: string[]
  /** Describes an unexpected value. */
  unreadable?: string
}

/**
 * One value counts as a list of one, and an object as the list of its keys: Zitadel's roles are
 * `{"docs": {"2801": "example.com"}}`. A key with null or false does not count.
 */
function list(value: unknown, separator: string | undefined): Listed {
  if (typeof value === 'string' && separator !== undefined) return only(value.split(separator).map((one) => one.trim()))
  if (Array.isArray(value)) return only(value as unknown[])
  if (typeof value !== 'object' || value === null) return only([value])
  const granted = Object.entries(value).filter(([, member]) => member !== null && member !== false)
  const odd = granted.find(([, member]) => member !== true && (typeof member !== 'object' || Array.isArray(member)))
  const { values } = only(granted.map(([name]) => name))
  return odd ? { values: [], unreadable: `an object with ${kindOf(odd[1])} in it` } : { values }
}

function only(entries: readonly unknown[]): Listed {
  const unreadable = entries.find((entry) => (typeof entry === 'object' && entry !== null) || isInexact(entry))
  const values = entries
    .filter((entry) => !isInexact(entry))
    .map((entry) => (typeof entry === 'number' || typeof entry === 'boolean' ? String(entry) : entry))
    .filter((entry) => typeof entry === 'string')
    .filter((entry) => entry !== '' && entry.length <= MAX_VALUE)
  return { values, ...(unreadable !== undefined && { unreadable: `${kindOf(unreadable)} in place of a text` }) }
}

/** A number of which JSON has lost the last digits, so that two groups could look like one. */
function isInexact(value: unknown): boolean {
  return typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value)
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'a list'
  if (isInexact(value)) return 'a number that is too long to be read exactly'
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`
}

// What the provider says about a visitor, reduced to what sign-in needs. Pure: no I/O, no clock.

const MAX_TEXT = 512
const MAX_GROUPS = 500 // they stand in the session and in headers to the app
const MAX_GROUP = 256

/** What a session keeps of the claims. */
export interface Claims {
  name?: string
  /** Only where the provider says that it is verified, or says nothing about it. */
  email?: string
  /** By the name of the claim that lists them. A claim that was asked for and not there is an empty list. */
  groups: Record<string, readonly string[]>
}

type Raw = Readonly<Record<string, unknown>>

/**
 * @param idToken the claims of the verified ID token: they win
 * @param userInfo what the userinfo endpoint said of the same subject, where it was asked
 * @param groupClaims the names of the claims that list groups
 */
export function readClaims(idToken: Raw, userInfo: Raw | undefined, groupClaims: Iterable<string>): Claims {
  const name = text(idToken.name) ?? text(userInfo?.name) ?? text(idToken.preferred_username)
  // An address and its verification come from the same place; a denial counts wherever it stands.
  const source = text(idToken.email) !== undefined ? idToken : userInfo
  const denied = [idToken, userInfo].some((claims) => claims !== undefined && !isVerified(claims.email_verified))
  const email = denied ? undefined : text(source?.email)
  const groups: Record<string, readonly string[]> = Object.create(null) as Record<string, readonly string[]> // claim names are foreign
  for (const claim of groupClaims) groups[claim] = list(claimOf(idToken, claim) ?? claimOf(userInfo, claim))
  return { ...(name !== undefined && { name }), ...(email !== undefined && { email }), groups }
}

/** Looks a claim up by its whole name first, then as a path: Keycloak has `realm_access.roles`, Auth0 URLs with dots. */
export function claimOf(claims: Raw | undefined, name: string): unknown {
  if (claims === undefined) return undefined
  if (Object.hasOwn(claims, name)) return claims[name]
  let value: unknown = claims
  for (const part of name.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined
    value = (value as Raw)[part] // an object, as just seen
  }
  return value
}

/** OpenID Connect Core 5.1 has a boolean; some providers send it as text. Saying nothing is not a denial. */
function isVerified(value: unknown): boolean {
  return value === undefined || value === true || value === 'true'
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' && value.length <= MAX_TEXT ? value : undefined
}

function list(value: unknown): readonly string[] {
  const entries = Array.isArray(value) ? (value as unknown[]) : [value]
  return entries
    .filter((entry) => typeof entry === 'string' && entry !== '' && entry.length <= MAX_GROUP)
    .slice(0, MAX_GROUPS) as string[] // strings, as just filtered
}

// How configuration names a claim: `groups`, `https://example.com/groups`, `realm_access.roles`, or, where names inside
// a path contain dots themselves, the list [resource_access, my.app, roles]. Pure: no I/O, no clock.

export type ClaimName = string | readonly string[]

/** One text for each claim; `[` begins no name that is written as text. */
export function claimKey(name: ClaimName): string {
  return typeof name === 'string' ? name : JSON.stringify(name)
}

// How configuration names a claim: `groups`, `https://example.com/groups`, `realm_access.roles`, or, where names inside
// a path contain dots themselves, the list [resource_access, my.app, roles]. Pure: no I/O, no clock.

export type ClaimName = string | readonly string[]

/** A claim, and how what it holds becomes values. */
export interface ClaimReading {
  claim: ClaimName
  /** Where a text holds several values: what stands between them. Nothing is split without it. */
  separator?: string | undefined
}

/** One text for each reading of a claim; no name that is written as text begins with `[`, and no list with `[{`. */
export function claimKey({ claim, separator }: ClaimReading): string {
  if (separator !== undefined) return JSON.stringify([{ claim, separator }])
  return typeof claim === 'string' ? claim : JSON.stringify(claim)
}

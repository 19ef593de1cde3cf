// How configuration names a claim: `groups`, `https://example.com/groups`, `realm_access.roles`, or, if names inside a
// path contain dots themselves, the list [resource_access, my.app, roles]. Pure: no I/O, no clock.

export type ClaimName = string | readonly string[]

/** A claim, and the way from its content to values. */
export interface ClaimReading {
  claim: ClaimName
  /** The separator of several values in one text. Nothing is split without it. */
  separator?: string | undefined
}

/** One text for each reading of a claim; no name that is written as text begins with `[`, and no list with `[{`. */
export function claimKey({ claim, separator }: ClaimReading): string {
  if (separator !== undefined) return JSON.stringify([{ claim, separator }])
  return typeof claim === 'string' ? claim : JSON.stringify(claim)
}

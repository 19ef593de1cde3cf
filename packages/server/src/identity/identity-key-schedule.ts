// When the keys of the identity JWT come and go. A key is published long before it signs, so that every app has fetched
// it by then, and until no token of it can be valid. Pure: no I/O, takes the clock.

const SIGNS_FOR_MS = 30 * 86_400_000 // rotation limits the damage of a key that leaks unnoticed to a month
const PUBLISHED_AHEAD_MS = 86_400_000 // apps keep a key set for minutes or hours
const PUBLISHED_AFTER_MS = 3_600_000 // a token lives for five minutes, and clocks may be wrong

export interface ScheduledKey {
  /** Milliseconds since 1970. A key signs until the next one does. */
  signs_from: number
}

/** The key that signs now. @param keys at least one, in the order in which they sign */
export function signingKey<K extends ScheduledKey>(keys: readonly K[], now: number): K {
  return keys.findLast((key) => key.signs_from <= now) ?? keys[0]! // a clock that was set back changes nothing
}

/** The keys by which a token that is valid now, or will be soon, may have been signed. */
export function publishedKeys<K extends ScheduledKey>(keys: readonly K[], now: number): K[] {
  return keys.filter((_, index) => {
    const next = keys[index + 1]
    return next === undefined || now < next.signs_from + PUBLISHED_AFTER_MS
  })
}

/** When a further key shall sign, if it is time to make one. */
export function nextKeySignsFrom(keys: readonly ScheduledKey[], now: number): number | undefined {
  const newest = keys.at(-1)
  const isDue = newest !== undefined && now >= newest.signs_from + SIGNS_FOR_MS - PUBLISHED_AHEAD_MS
  return isDue ? now + PUBLISHED_AHEAD_MS : undefined
}

// A member that is `null` counts as missing, because many providers write every member that they know. Pure: no I/O, no
// clock.

/** A copy without the members that are null; nested values stay unchanged. */
export function withoutNulls(members: Readonly<Record<string, unknown>>): Record<string, unknown> {
  // fromEntries defines keys instead of assigning them, so that not even `__proto__` reaches a prototype.
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== null))
}

/** Whole seconds, also from a text. Undefined for anything else. */
export function secondsOf(value: unknown): number | undefined {
  if (typeof value === 'string' && /^\d{1,12}$/.test(value)) return Number(value)
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined
}

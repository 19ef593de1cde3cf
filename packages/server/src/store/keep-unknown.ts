// Keeps some members of a value when a write replaces the value: the members of a newer version that works on the same
// store. Pure; every engine uses it.

/**
 * @param stored the JSON of the stored value; null or undefined if there is none
 * @param json the JSON of the new value
 * @param known the members that this version knows
 * @returns the new value with the members of the stored one that this version does not know
 */
export function keepUnknown(stored: string | null | undefined, json: string, known: readonly string[]): string {
  if (stored === null || stored === undefined) return json
  const before: unknown = JSON.parse(stored)
  const value: unknown = JSON.parse(json)
  if (!isObject(before) || !isObject(value)) return json
  const unknown = Object.entries(before).filter(([name]) => !known.includes(name))
  return unknown.length === 0 ? json : JSON.stringify(Object.fromEntries([...Object.entries(value), ...unknown]))
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

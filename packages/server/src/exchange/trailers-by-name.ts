// Trailers in the form of node:http2: an object that has each name once. Pure.

/**
 * Gathers trailers by their names, in lower case. The object has no prototype, because others choose the names: an
 * ordinary object already has `constructor`, and `__proto__` is not a field of it.
 */
export function trailersByName(trailers: readonly [name: string, value: string][]): Record<string, string[]> {
  const fields = Object.create(null) as Record<string, string[]> // it is empty
  for (const [name, value] of trailers) (fields[name.toLowerCase()] ??= []).push(value)
  return fields
}

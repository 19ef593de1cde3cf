// Trailers as node:http2 takes them: an object, each name once. Pure.

/**
 * Gathers trailers by their names, in lower case. The object has no prototype, because others choose the names:
 * on an ordinary one `constructor` is there already, and `__proto__` is no field.
 */
export function trailersByName(trailers: readonly [name: string, value: string][]): Record<string, string[]> {
  const fields = Object.create(null) as Record<string, string[]> // it is empty
  for (const [name, value] of trailers) (fields[name.toLowerCase()] ??= []).push(value)
  return fields
}

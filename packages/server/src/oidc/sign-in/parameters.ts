// Reads the parameters of a callback. RFC 6749 3.1: "Request and response parameters MUST NOT be included more than
// once." With two codes or two states, an attacker tries to make two checks use different ones. Pure: no I/O, no clock.

export type Parameters<Name extends string> =
  | { ok: true; values: Partial<Record<Name, string>> }
  | { ok: false; detail: string }

/** @param limits the names to read, each with the maximum length of its value */
export function readParameters<Name extends string>(
  target: string,
  limits: Readonly<Record<Name, number>>,
): Parameters<Name> {
  const query = target.indexOf('?')
  const search = new URLSearchParams(query === -1 ? '' : target.slice(query + 1))
  const values: Partial<Record<Name, string>> = {}
  for (const name of Object.keys(limits) as Name[]) {
    const found = search.getAll(name)
    if (found.length > 1) return { ok: false, detail: `${name} is there ${found.length} times` }
    const value = found[0]
    if (value === undefined) continue
    if (value.length > limits[name]) return { ok: false, detail: `${name} is longer than ${limits[name]}` }
    values[name] = value
  }
  return { ok: true, values }
}

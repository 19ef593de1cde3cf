// Reads one header from a raw list, of any version of HTTP. Pure: no I/O, no clock.

/**
 * The value of a header, by its lower-case name. Several lines of one name are one list (RFC 9110 5.3): joined with `,
 * `, or with `; ` for `cookie` (RFC 9113 8.2.3), in their order.
 * @param rawHeaders name, value, name, value …
 */
export function readHeader(rawHeaders: readonly string[], name: string): string | undefined {
  let found: string | undefined
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const key = rawHeaders[i]! // rawHeaders comes in pairs
    if (key.length !== name.length || key.toLowerCase() !== name) continue
    const value = rawHeaders[i + 1]!
    found = found === undefined ? value : `${found}${name === 'cookie' ? '; ' : ', '}${value}`
  }
  return found
}

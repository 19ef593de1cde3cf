// Reads one cookie with almost no allocation. Pure: no I/O, no clock.

/**
 * The value of one cookie in a Cookie header; undefined if it is missing or comes several times. A cookie begins only
 * at the start, or after `;` and white space (RFC 6265 4.2.1): the value of another cookie may contain spaces, and a
 * sibling host that sets cookies for the whole domain can choose that value. If a name comes twice, a sibling host has
 * set at least one of them, and can choose by `Path` which one a browser sends first.
 */
export function readCookie(header: string | undefined, name: string): string | undefined {
  if (header === undefined) return undefined
  let found: string | undefined
  for (let at = header.indexOf(name); at !== -1; at = header.indexOf(name, at + 1)) {
    const value = at + name.length
    if (header.charCodeAt(value) !== EQUALS || !beginsPair(header, at)) continue
    if (found !== undefined) return undefined
    const end = header.indexOf(';', value)
    found = header.slice(value + 1, end === -1 ? undefined : end).trim()
  }
  return found
}

function beginsPair(header: string, at: number): boolean {
  let before = at - 1
  while (before >= 0 && isWhiteSpace(header.charCodeAt(before))) before--
  return before < 0 || header.charCodeAt(before) === SEMICOLON
}

function isWhiteSpace(unit: number): boolean {
  return unit === 0x20 || unit === 0x09
}

const EQUALS = 0x3d
const SEMICOLON = 0x3b

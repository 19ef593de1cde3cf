// Reads one cookie and allocates next to nothing. Pure: no I/O, no clock.

/**
 * The value of one cookie in a Cookie header; undefined where there is none, and where there are several. A cookie begins
 * at the start or behind `;` and white space, nowhere else (RFC 6265 4.2.1): the value of another one may hold spaces, and
 * whoever sets cookies for a whole domain chooses it. A name that comes twice was set by somebody else at least once, and
 * which of them a browser puts in front is up to them as well: by their `Path`.
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

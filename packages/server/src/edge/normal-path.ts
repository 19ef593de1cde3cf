// The full normal form of a raw path: what the most eager app could make of it.
// Pure: no I/O, no clock. Used only to find out whether two readers could disagree; it is never forwarded.

const MAX_DECODINGS = 8
// Without one of these a path has only one reading.
const UNUSUAL = /[%\\;]|\/\/|\/\./

/**
 * Decodes percent-escapes repeatedly, turns `\` into `/`, drops `;parameters`, merges slashes, resolves dot segments.
 * @returns the normal form; undefined where the escapes nest deeper than anyone means
 */
export function normalPath(rawPath: string): string | undefined {
  if (!UNUSUAL.test(rawPath)) return rawPath
  let path = rawPath
  for (let round = 0; path.includes('%'); round++) {
    if (round === MAX_DECODINGS) return undefined
    const decoded = path.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
    if (decoded === path) break
    path = decoded
  }
  const segments: string[] = []
  const parts = path.replaceAll('\\', '/').split('/')
  for (const part of parts) {
    const semicolon = part.indexOf(';')
    const segment = semicolon === -1 ? part : part.slice(0, semicolon)
    if (segment === '..') segments.pop()
    else if (segment !== '' && segment !== '.') segments.push(segment)
  }
  const last = parts.at(-1)!.replace(/;.*$/s, '') // split() always gives at least one part
  const folder = (last === '' || last === '.' || last === '..') && segments.length > 0
  return `/${segments.join('/')}${folder ? '/' : ''}`
}

// What others could make of a raw path: its full normal form, and whether readers in between could end up elsewhere.
// Pure: no I/O, no clock. It is never forwarded; it only serves to find out whether two readers could disagree.

const MAX_DECODINGS = 8
// Without one of these a path has only one reading: the common path costs this one scan. 0xC0 and 0xC1 begin no UTF-8.
const UNUSUAL = /[%\\;\xc0\xc1]|\/\/|\/\./
// JavaScript's unescape() and old IIS read %u002e as well.
const ESCAPE = /%(?:u00)?([0-9a-f]{2})/gi
// Two bytes for one of ASCII: RFC 3629 10 forbids to read them, and decoders have.
const OVERLONG = /[\xc0\xc1][\x80-\xbf]/g
// Who decodes first and parses an URL then drops these (https://url.spec.whatwg.org/#concept-basic-url-parser) …
const DROPPED = /(?!\0)\p{Cc}/gu
// … and sees the end of the path here; a C string ends at NUL.
const PATH_END = /[?#\0]/
const SEGMENT_END = /[;?#\0]/

/** What a path that not everybody reads alike could be taken for. */
export interface PathReading {
  /**
   * Percent-escapes decoded repeatedly, `\` as `/`, `;parameters` dropped, slashes merged, dot segments resolved, up to
   * what is a `?` or `#` by then. Undefined where the escapes nest deeper than anyone means.
   */
  readonly normal: string | undefined
  /**
   * Whether who decodes less than the normal form could end up anywhere: at some level a segment is `.` or `..`; or two
   * slashes stand in front, behind which URL parsers look for a host; or parameters hold a slash. No client sends dot
   * segments: RFC 3986 5.2.4 has them resolved before. In every other path, whatever is decoded, merged or dropped
   * further leaves its beginning as it is, so the raw path and the normal form are all there is to compare.
   */
  readonly isSlippery: boolean
  /** All segments, decoded, in the order they stand in. */
  readonly segments: readonly string[]
}

/** @returns undefined for a path that everybody reads alike */
export function readPath(rawPath: string): PathReading | undefined {
  if (!UNUSUAL.test(rawPath)) return undefined
  const decoded = decodeFully(rawPath)
  if (decoded === undefined) return { normal: undefined, isSlippery: true, segments: [] }
  const path = decoded.replaceAll('\\', '/').replace(DROPPED, '')
  const segments = path.split('/').map(plainSegment)
  const isSlippery =
    path.startsWith('//') ||
    segments.some((segment) => segment === '.' || segment === '..') ||
    (path.includes(';') && rawPath.split('/').some(hidesSlash))
  return { normal: normalForm(path), isSlippery, segments }
}

/** Undefined where the escapes nest deeper than anyone means. */
function decodeFully(rawPath: string): string | undefined {
  let path = rawPath
  for (let round = 0; round < MAX_DECODINGS; round++) {
    const decoded = path
      .replace(ESCAPE, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
      .replace(OVERLONG, (pair) => String.fromCharCode(((pair.charCodeAt(0) & 1) << 6) | (pair.charCodeAt(1) & 0x3f)))
    if (decoded === path) return path
    path = decoded
  }
  return undefined
}

/** Parameters with a slash in escapes: who drops them before decoding does not see what stands behind it. */
function hidesSlash(rawSegment: string): boolean {
  const segment = decodeFully(rawSegment) ?? ''
  const parameters = segment.indexOf(';')
  return parameters !== -1 && /[/\\]/.test(segment.slice(parameters))
}

function normalForm(path: string): string {
  const end = path.search(PATH_END)
  const parts = (end === -1 ? path : path.slice(0, end)).split('/').map(plainSegment)
  const segments: string[] = []
  for (const part of parts) {
    if (part === '..') segments.pop()
    else if (part !== '' && part !== '.') segments.push(part)
  }
  const last = parts.at(-1)
  const isFolder = (last === '' || last === '.' || last === '..') && segments.length > 0
  return `/${segments.join('/')}${isFolder ? '/' : ''}`
}

/** Without parameters; spaces around it are dropped by file systems and, at the end of a path, by URL parsers. */
function plainSegment(segment: string): string {
  const end = segment.search(SEGMENT_END)
  return (end === -1 ? segment : segment.slice(0, end)).trim()
}

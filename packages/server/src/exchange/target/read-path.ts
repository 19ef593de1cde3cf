// How other readers could read a raw path: its full normal form, and whether readers that normalise only in part could
// reach another place. Pure: no I/O, no clock. The result is never forwarded; it only shows whether two readers could
// disagree.

const MAX_DECODINGS = 8
// A path without any of these has only one reading, so a common path costs only this scan. 0xC0 and 0xC1 begin no
// UTF-8.
const UNUSUAL = /[%\\;\xc0\xc1]|\/\/|\/\./
// JavaScript's unescape() and old IIS read %u002e as well.
const ESCAPE = /%(?:u00)?([0-9a-f]{2})/gi
// Two bytes for one ASCII character: RFC 3629 10 forbids decoding them, but some decoders do.
const OVERLONG = /[\xc0\xc1][\x80-\xbf]/g
// A reader that decodes first and then parses a URL drops these (https://url.spec.whatwg.org/#concept-basic-url-parser)
// …
const DROPPED = /(?!\0)\p{Cc}/gu
// … and ends the path here; a C string ends at NUL.
const PATH_END = /[?#\0]/
const SEGMENT_END = /[;?#\0]/

/** The possible readings of an ambiguous path. */
export interface PathReading {
  /**
   * Percent-escapes decoded repeatedly, `\` as `/`, `;parameters` dropped, slashes merged, dot segments resolved, up to
   * a resulting `?` or `#`. Undefined if the escapes nest deeper than is ever meant.
   */
  readonly normal: string | undefined
  /**
   * Whether a reader that decodes less than the normal form could reach any place: at some level a segment is `.` or
   * `..`; or the path begins with two slashes, after which URL parsers expect a host; or parameters hold a slash.
   * Clients do not send dot segments: by RFC 3986 5.2.4 they resolve them first. For every other path, further
   * decoding, merging or dropping does not change its beginning, so comparing the raw path and the normal form is
   * enough.
   */
  readonly isSlippery: boolean
  /** All segments, decoded, in their order. */
  readonly segments: readonly string[]
}

/** @returns undefined for a path with only one reading */
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

/** Undefined if the escapes nest deeper than is ever meant. */
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

/** Parameters with an escaped slash: a reader that drops parameters before decoding does not see the part after it. */
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

/**
 * A segment without its parameters, and without spaces around it: file systems drop these, and URL parsers drop them
 * at the end of a path.
 */
function plainSegment(segment: string): string {
  const end = segment.search(SEGMENT_END)
  return (end === -1 ? segment : segment.slice(0, end)).trim()
}

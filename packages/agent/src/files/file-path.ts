// From a request's path to the names below the served directory. Pure: no I/O.
// A path that cannot be read in exactly one way is refused: later code works only with plain names.

export interface FilePath {
  /** Decoded names, none of them empty, `.`, `..`, hidden, or with a separator in it. */
  names: string[]
  /** Whether the path ends in a slash, as a directory's does. */
  hasSlash: boolean
}

/** The one hidden name that is meant for visitors (RFC 8615). */
const WELL_KNOWN = '.well-known'

// Separators of any system, controls (NUL among them), and the colon that opens other streams of a file on Windows.
// oxlint-disable-next-line no-control-regex -- the control characters are what this looks for
const FORBIDDEN = process.platform === 'win32' ? /[\x00-\x1f\x7f/\\:]/ : /[\x00-\x1f\x7f/\\]/

/** @returns undefined if nothing may be looked up for this path */
export function parseFilePath(rawPath: string): FilePath | undefined {
  if (!rawPath.startsWith('/')) return undefined
  const pieces = rawPath.slice(1).split('/')
  const hasSlash = pieces.at(-1) === ''
  if (hasSlash) pieces.pop()
  const names: string[] = []
  for (const piece of pieces) {
    const name = decode(piece)
    // Decoded once: a further escape is part of a file's name.
    if (name === undefined || name === '' || FORBIDDEN.test(name) || isHidden(name)) return undefined
    names.push(name)
  }
  return { names, hasSlash }
}

/** Dotfiles are never served: many shared directories contain `.git`, `.env` and similar. Covers `..`. */
export function isHidden(name: string): boolean {
  return name.startsWith('.') && name !== WELL_KNOWN
}

function decode(piece: string): string | undefined {
  try {
    return decodeURIComponent(piece)
  } catch {
    return undefined // not UTF-8, or a lone %
  }
}

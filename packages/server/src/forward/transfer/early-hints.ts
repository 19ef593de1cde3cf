// The links of an app's 103 (RFC 8297) that a visitor gets. Pure: no I/O, no clock.
// Two scans look at each character once: the pattern by which node:http checks links takes ever longer with each
// parameter, without bound, and refuses several links in one line.

// RFC 9110 5.6.2
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
// Visible ASCII that neither ends a link nor begins a part of one.
const TARGET = /^[\x21\x23-\x3b\x3d\x3f-\x7e]*$/
const BARE_VALUE = /^[\x21\x23-\x2b\x2d-\x3a\x3d\x3f-\x7e]+$/

/**
 * The links in the `Link` fields of a head, each as the app wrote it. Links that do not follow RFC 8288 are left out: a
 * hint only saves time.
 * @param rawHeaders name, value, name, value …
 */
export function readEarlyHints(rawHeaders: readonly string[]): string[] {
  const links: string[] = []
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i]!.toLowerCase() !== 'link') continue // pairs
    for (const piece of split(rawHeaders[i + 1]!, ',')) {
      const link = piece.trim()
      if (isLink(link)) links.push(link)
    }
  }
  return links
}

/** RFC 8288 3: `<target>` and parameters, `name`, `name=token` or `name="quoted"`. */
function isLink(link: string): boolean {
  const end = link.indexOf('>')
  if (!link.startsWith('<') || end === -1 || !TARGET.test(link.slice(1, end))) return false
  const [nothing, ...parameters] = split(link.slice(end + 1), ';')
  return nothing?.trim() === '' && parameters.every(isParameter)
}

function isParameter(parameter: string): boolean {
  const equals = parameter.indexOf('=')
  if (equals === -1) return parameter.trim() === '' || TOKEN.test(parameter.trim())
  const value = parameter.slice(equals + 1).trim()
  if (!TOKEN.test(parameter.slice(0, equals).trim())) return false
  if (!value.startsWith('"')) return BARE_VALUE.test(value)
  return value.length > 1 && endOfQuoted(value) === value.length
}

/** Splits at separators outside of `<…>` and `"…"`. */
function split(text: string, separator: ',' | ';'): string[] {
  const pieces: string[] = []
  let start = 0
  let inTarget = false
  for (let i = 0; i < text.length; i++) {
    const character = text[i]
    if (inTarget) inTarget = character !== '>'
    else if (character === '<') inTarget = true
    else if (character === '"') i = endOfQuoted(text, i) - 1
    else if (character === separator) {
      pieces.push(text.slice(start, i))
      start = i + 1
    }
  }
  pieces.push(text.slice(start))
  return pieces
}

/**
 * The index after the closing quote of the quoted string that begins at `start` (RFC 9110 5.6.4); past the text if
 * there is none.
 */
function endOfQuoted(text: string, start = 0): number {
  for (let i = start + 1; i < text.length; i++) {
    if (text[i] === '\\') i++
    else if (text[i] === '"') return i + 1
  }
  return text.length + 1
}

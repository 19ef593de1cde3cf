// Query strings: pairs of names and values in percent-encoding, read as Go's net/url reads them. Pure: no I/O, no clock.

import { ValueError } from '../expression-error.ts'
import { PAIRS_MAX } from '../limits.ts'
import { rememberLast } from '../remember-last.ts'

/**
 * Name → values in their order. A pair that cannot be decoded, or contains a `;`, is left out, as in Go.
 * @param query without the `?`
 * @throws ValueError with more than 1000 pairs
 */
export const readQuery: (query: string) => ReadonlyMap<string, string[]> = rememberLast((query) => {
  const found = new Map<string, string[]>()
  if (query === '') return found
  let pairs = 0
  for (let start = 0; start <= query.length;) {
    const next = query.indexOf('&', start)
    const end = next === -1 ? query.length : next
    if (end > start) {
      if (++pairs > PAIRS_MAX) throw new ValueError(`a query has more than ${PAIRS_MAX} pairs`)
      addPair(found, query.slice(start, end))
    }
    start = end + 1
  }
  return found
})

function addPair(found: Map<string, string[]>, pair: string): void {
  if (pair.includes(';')) return
  const equals = pair.indexOf('=')
  const name = decodeQueryPart(equals === -1 ? pair : pair.slice(0, equals))
  const text = decodeQueryPart(equals === -1 ? '' : pair.slice(equals + 1))
  if (name === undefined || text === undefined) return
  const values = found.get(name)
  if (values) values.push(text)
  else found.set(name, [text])
}

/** Undefined if a `%` is not followed by two digits. */
export function decodeQueryPart(text: string): string | undefined {
  return percentDecode(text.includes('+') ? text.replaceAll('+', ' ') : text)
}

/** Bytes that are not UTF-8 become U+FFFD. Undefined if a `%` is not followed by two digits. */
export function percentDecode(text: string): string | undefined {
  if (!text.includes('%')) return text
  try {
    return decodeURIComponent(text)
  } catch {
    // Not UTF-8, or not percent-encoding: Go tells these two apart.
  }
  if (/%(?![0-9a-f]{2})/i.test(text)) return undefined
  const bytes = text.replace(/[^%]+|%(..)/g, (plain, hex?: string) =>
    hex === undefined ? Buffer.from(plain, 'utf8').toString('latin1') : String.fromCharCode(Number.parseInt(hex, 16)),
  )
  return Buffer.from(bytes, 'latin1').toString('utf8')
}

/** As `encodeURIComponent`, and `!'()*` as well: `i;md/r/$y` → `i%3Bmd%2Fr%2F%24y`. */
export function percentEncode(text: string): string {
  return encodeURIComponent(text.toWellFormed()).replace(
    /[!'()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

// Cookies of a request, and those that a response sets. Pure: no I/O, no clock.

import { ValueError } from '../expression-error.ts'
import { PAIRS_MAX } from '../limits.ts'
import { rememberLast } from '../remember-last.ts'
import { Duration } from '../values.ts'
import { defineRecord, value } from './record.ts'

export interface CookieFacts {
  name: string
  value: string
  domain?: string
  path?: string
  expires?: Date
  maxAge?: number
  httpOnly?: boolean
  secure?: boolean
  sameSite?: string
  others?: Map<string, string>
}

export const COOKIE = defineRecord<CookieFacts>('sallyport.Cookie', {
  name: value('string', 'its name', (cookie) => cookie.name),
  value: value('string', 'its value', (cookie) => cookie.value),
  domain: value('string', 'its attribute of this name; only in `res.cookies`', (cookie) => cookie.domain),
  path: value('string', 'its attribute of this name; only in `res.cookies`', (cookie) => cookie.path),
  expires: value('timestamp', 'its attribute `Expires`; only in `res.cookies`', (cookie) => cookie.expires),
  max_age: value('duration', 'its attribute `Max-Age`; only in `res.cookies`', ({ maxAge }) =>
    maxAge === undefined ? undefined : new Duration(BigInt(maxAge)),
  ),
  http_only: value(
    'bool',
    'whether scripts cannot read it; only in `res.cookies`',
    (cookie) => cookie.httpOnly ?? false,
  ),
  secure: value(
    'bool',
    'whether browsers send it only over https; only in `res.cookies`',
    (cookie) => cookie.secure ?? false,
  ),
  same_site: value(
    'string',
    'its attribute `SameSite`: `Strict`, `Lax` or `None`; only in `res.cookies`',
    (cookie) => cookie.sameSite,
  ),
  unparsed_attributes: value(
    'map<string, string>',
    'all other attributes; only in `res.cookies`',
    (cookie) => cookie.others,
  ),
})

/** Name → cookies. */
export type Cookies = ReadonlyMap<string, object[]>

/**
 * The cookies of a request, in the order of the header (RFC 6265 4.2.1).
 * @param lines values of its `cookie` headers
 * @throws ValueError with more than 1000 of them
 */
export function readCookies(lines: readonly string[]): Cookies {
  return readPairs(lines.length === 1 ? lines[0]! : lines.join(';')) // the common case
}

const readPairs = rememberLast((header): Cookies => {
  const found = new Map<string, object[]>()
  for (const pair of piecesOf(header)) {
    const equals = pair.indexOf('=')
    if (equals < 1) continue
    add(found, { name: pair.slice(0, equals).trim(), value: unquoted(pair.slice(equals + 1).trim()) })
  }
  return found
})

/**
 * The cookies that a response sets, those with the longest path first.
 * @param lines values of its `set-cookie` headers
 * @throws ValueError with more than 1000 of them
 */
export function readSetCookies(lines: readonly string[]): Cookies {
  if (lines.length > PAIRS_MAX) throw new ValueError(`a message has more than ${PAIRS_MAX} cookies`)
  const cookies = lines.flatMap((line) => readSetCookie(line) ?? [])
  const found = new Map<string, object[]>()
  const byPath = cookies.toSorted((a, b) => (b.path?.length ?? 0) - (a.path?.length ?? 0))
  for (const cookie of byPath) add(found, cookie)
  return found
}

function add(found: Map<string, object[]>, cookie: CookieFacts): void {
  const same = found.get(cookie.name)
  const view = new COOKIE.View(cookie)
  if (same) same.push(view)
  else found.set(cookie.name, [view])
}

function piecesOf(line: string): string[] {
  const pieces = line.split(';', PAIRS_MAX + 1)
  if (pieces.length > PAIRS_MAX) throw new ValueError(`a message has more than ${PAIRS_MAX} cookies`)
  return pieces
}

/** RFC 6265 5.2. Undefined for a line without a name. */
function readSetCookie(line: string): CookieFacts | undefined {
  const [first = '', ...attributes] = piecesOf(line)
  const equals = first.indexOf('=')
  if (equals < 1) return undefined
  const cookie: CookieFacts = { name: first.slice(0, equals).trim(), value: unquoted(first.slice(equals + 1).trim()) }
  for (const written of attributes) addAttribute(cookie, written.trim())
  return cookie
}

function addAttribute(cookie: CookieFacts, written: string): void {
  const equals = written.indexOf('=')
  const name = equals === -1 ? written : written.slice(0, equals).trim()
  const text = equals === -1 ? '' : written.slice(equals + 1).trim()
  switch (name.toLowerCase()) {
    case 'domain':
      cookie.domain = text
      return
    case 'path':
      cookie.path = text
      return
    case 'expires': {
      const time = new Date(text.slice(0, 64)) // no date is longer
      if (!Number.isNaN(time.getTime())) cookie.expires = time
      return
    }
    case 'max-age':
      if (/^-?\d{1,15}$/.test(text)) cookie.maxAge = Number(text)
      return
    case 'httponly':
      cookie.httpOnly = true
      return
    case 'secure':
      cookie.secure = true
      return
    case 'samesite':
      cookie.sameSite = text
      return
    case '':
      return
    default:
      ;(cookie.others ??= new Map()).set(name, text)
  }
}

function unquoted(text: string): string {
  return text.length > 1 && text.startsWith('"') && text.endsWith('"') ? text.slice(1, -1) : text
}

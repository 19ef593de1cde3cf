// Whether a request is a browser's preflight (Fetch, "CORS-preflight fetch"). It carries no credentials, so it can
// never be signed in; if a route lets it pass, it must be nothing more than a preflight. Pure: no I/O, no clock.

import { normalHeaderName } from '../../values/normal-header-name.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import { HeaderEdits } from '../../exchange/header-edits.ts'

const REFUSED = new Set([
  // By Fetch a preflight has none of them, whatever the later request carries.
  'authorization',
  'cookie',
  // By these some apps take one method for another. Browsers put no header of the page into a preflight.
  'x-http-method-override',
  'x-http-method',
  'x-method-override',
])

// The headers that browsers send with a preflight, which are enough: an app might act on any other header.
const KEPT = new Set([
  'host',
  'origin',
  'referer',
  'user-agent',
  'accept',
  'cache-control',
  'pragma',
  'priority',
  'dnt',
])
const KEPT_BEGINNINGS = ['access-control-request-', 'accept-', 'sec-fetch-', 'sec-ch-', 'sec-gpc']

/** Whether the exchange is a preflight. If so, the app gets only the headers that browsers send with one. */
export function passesAsPreflight(exchange: Exchange): boolean {
  if (exchange.method !== 'OPTIONS' || exchange.upgrade) return false
  if (exchange.header('origin') === undefined) return false
  const method = exchange.header('access-control-request-method')
  if (method === undefined || !/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}$/.test(method)) return false
  // No body, no credentials, no other method.
  if (exchange.header('transfer-encoding') !== undefined || Number(exchange.header('content-length') ?? 0) > 0) {
    return false
  }
  const names = exchange.request.rawHeaders.filter((_, i) => i % 2 === 0) // pairs
  if (names.some((name) => REFUSED.has(normalHeaderName(name)))) return false
  const edits = (exchange.requestEdits ??= new HeaderEdits())
  // What an earlier action writes stays: it is the operator's.
  for (const name of names) if (!isKept(name.toLowerCase())) edits.drop(name)
  return true
}

/** In its own spelling only: another one may be a second header to the app. */
function isKept(name: string): boolean {
  return KEPT.has(name) || KEPT_BEGINNINGS.some((beginning) => name.startsWith(beginning))
}

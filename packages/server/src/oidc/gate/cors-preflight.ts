// Whether a request is a browser's question before a cross-origin one (Fetch, "CORS-preflight fetch"). It carries no
// credentials, so it can never be signed in; where a route lets it pass, it must not be more than such a question.
// Pure: no I/O, no clock.

import { normalHeaderName } from '../../values/normal-header-name.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import { HeaderEdits } from '../../exchange/header-edits.ts'

const REFUSED = new Set([
  // Fetch has a preflight made without them, whatever the request behind it may carry.
  'authorization',
  'cookie',
  // By which some apps take one method for another. Browsers put no header of the page's into a preflight.
  'x-http-method-override',
  'x-http-method',
  'x-method-override',
])

// What browsers send with one, and all that it needs: an app may act on any other header.
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

/** Says whether the exchange is such a question. If so, the app gets nothing but what browsers ask with. */
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
  for (const name of names) if (!isKept(name.toLowerCase()) && !edits.touches(name)) edits.remove(name)
  return true
}

/** In its own spelling only: another one may be a second header to the app. */
function isKept(name: string): boolean {
  return KEPT.has(name) || KEPT_BEGINNINGS.some((beginning) => name.startsWith(beginning))
}

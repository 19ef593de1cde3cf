// Whether a request is a browser's preflight (Fetch, "CORS-preflight fetch"). It carries no credentials, so it can
// never be signed in; if a route lets it pass, it must be nothing more than a preflight. Pure: no I/O, no clock.

import { normalHeaderName } from '../../values/normal-header-name.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import { HeaderEdits } from '../../exchange/header-edits.ts'

const REFUSED = new Set([
  // By Fetch, a preflight has none of these headers, even if the later request has them.
  'authorization',
  'cookie',
  // With these headers, some apps treat a request as one with another method. Browsers put no header of the page into a
  // preflight.
  'x-http-method-override',
  'x-http-method',
  'x-method-override',
])

// The headers that browsers send with a preflight. All others are removed, because an app might act on them.
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
  // Headers that an earlier action has written stay, because they come from the operator.
  for (const name of names) if (!isKept(name.toLowerCase())) edits.drop(name)
  return true
}

/** Only this exact name passes, because an app may treat another spelling as the same header. */
function isKept(name: string): boolean {
  return KEPT.has(name) || KEPT_BEGINNINGS.some((beginning) => name.startsWith(beginning))
}

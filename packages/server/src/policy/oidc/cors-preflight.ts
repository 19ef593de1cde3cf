// Whether a request is a browser's question before a cross-origin one (Fetch, "CORS-preflight fetch"). It carries no
// credentials, so it can never be signed in; where a route lets it pass, it must not be more than such a question.
// Pure: no I/O, no clock.

import type { Exchange } from '../../exchange/exchange.ts'

// By which some apps take one method for another. Browsers put no header of the page's into a preflight.
const METHOD_OVERRIDES = ['x-http-method-override', 'x-http-method', 'x-method-override']
// Fetch has a preflight made without them, whatever the request behind it may carry.
const CREDENTIALS = ['authorization', 'cookie']

export function isCorsPreflight(exchange: Exchange): boolean {
  if (exchange.method !== 'OPTIONS' || exchange.upgrade) return false
  if (exchange.header('origin') === undefined) return false
  const method = exchange.header('access-control-request-method')
  if (method === undefined || !/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}$/.test(method)) return false
  // No body, no credentials, no other method.
  if (exchange.header('transfer-encoding') !== undefined || Number(exchange.header('content-length') ?? 0) > 0) {
    return false
  }
  return [...CREDENTIALS, ...METHOD_OVERRIDES].every((name) => exchange.header(name) === undefined)
}

// `redirect`: sends visitors to another address, if their own changes by it.

import type { Action } from '../../exchange/action.ts'
import { addressOf, hex, urlReplacement } from '../urls/url-replacement.ts'
import { linesFrom } from '../text.ts'
import type { RedirectConfig } from './kind.ts'

/**
 * Answers with a `Location`. It is no error of the relay, so the answer has no `Sallyport-Error-Code`. The chain goes on if
 * nothing matches, or if the address stays the same.
 * @throws RelayError, from the action: `rewrite_refused`, `path_ambiguous`, `expression_failed`
 */
export function redirect(config: RedirectConfig): Action {
  const { status_code: status, headers } = config
  const replace = urlReplacement(config, 'redirect')
  const lines = linesFrom(headers, 'on_http_request')
  return async (exchange, next) => {
    const { origin, target } = exchange
    const made = replace(exchange)
    if (made === undefined || made === origin + target) return next()
    const { origin: to, rest } = addressOf(made, origin)
    const location = to + inLocation(rest)
    if (location === origin + inLocation(target)) return next()
    exchange.respond(status, { ...Object.fromEntries(lines(exchange)), Location: location })
  }
}

/**
 * Only characters of RFC 3986, so that every browser reads the same: no line break, and no `\`, which some read as `/`.
 * Characters are bytes: of the visitor's target, or of what the policy has encoded already.
 */
function inLocation(rest: string): string {
  return rest.replace(/[^\w!#$%&'()*+,./:;=?@[\]~-]/g, (byte) => `%${hex(byte.charCodeAt(0) & 0xff)}`)
}

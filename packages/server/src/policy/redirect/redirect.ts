// `redirect`: sends visitors to another address, if the replacement changes theirs.

import type { Action } from '../../exchange/action.ts'
import type { SourcesParts } from '../sources/sources.ts'
import { noteResult } from '../note-result.ts'
import type { Remembering } from '../note-result.ts'
import { addressOf, hex, urlReplacement } from '../urls/url-replacement.ts'
import type { Found, Tell } from '../urls/url-replacement.ts'
import { linesFrom } from '../text.ts'
import type { RedirectConfig } from './kind.ts'

/**
 * Answers with a `Location`. This is not an error of the relay, so the answer has no `Sallyport-Error-Code`. If nothing
 * matches, or the address stays the same, the next action runs.
 * @throws RelayError, from the action: `rewrite_refused`, `path_ambiguous`, `expression_failed`
 */
export function redirect(config: RedirectConfig, parts: SourcesParts & Remembering): Action {
  const { status_code: status, headers } = config
  const replace = urlReplacement(config, 'redirect', parts, parts.readsResult('redirect') ? noteRedirect : undefined)
  const lines = linesFrom(headers, 'on_http_request', parts)
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

/** For rules behind it, which run only if it has not answered. */
const noteRedirect: Tell = (exchange, asSent, normal) => {
  const { origin } = exchange
  noteResult(exchange, 'redirect', resultOf(asSent, origin), normal && resultOf(normal, origin))
}

function resultOf({ url, matches }: Found, origin: string): { matches: readonly string[]; url?: string } {
  if (url === undefined) return { matches }
  const address = addressOf(url, origin)
  return { matches, url: address.origin + inLocation(address.rest) }
}

/**
 * Keeps only characters of RFC 3986, so that all browsers read the same address: no line break, and no `\`, which some
 * read as `/`. Each character is one byte, because targets are ASCII and the policy's text is already encoded.
 */
function inLocation(rest: string): string {
  return rest.replace(/[^\w!#$%&'()*+,./:;=?@[\]~-]/g, (byte) => `%${hex(byte.charCodeAt(0) & 0xff)}`)
}

// The common part of `redirect` and `url-rewrite`: replaces every match of a pattern in the URL of an exchange. ngrok
// docs: "URL Rewrite", "Redirect". Patterns are applied to the whole URL as visitors see it,
// `scheme://host[:port]/path?query`.

import { RelayError } from '../../errors.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import { isAuthority } from '../../exchange/target/authority.ts'
import { Budget } from '../engine/budget.ts'
import { OverBudget, ValueError } from '../engine/expression-error.ts'
import type { Match, Pattern } from '../engine/patterns.ts'
import { patternCache, patternOf } from '../language.ts'
import type { SourcesParts } from '../sources/sources.ts'
import { isConstant } from '../templates-of.ts'
import { textFrom } from '../text.ts'
import { Replacement } from './replacement.ts'

export interface UrlReplacementConfig {
  /** Undefined for the whole URL. */
  readonly from?: string | undefined
  readonly to: string
}

/** The result of a replacement, in two parts. */
export interface Address {
  /** `https://docs.example.com`: the exchange's own, unless the URL names a host. */
  readonly origin: string
  /** Path, query and fragment. It begins with `/`, but is otherwise unchecked. */
  readonly rest: string
}

/** What a replacement has found, in one reading of the path. */
export interface Found {
  /** Undefined if nothing matches. */
  readonly url: string | undefined
  /** The texts that matched, in order. */
  readonly matches: readonly string[]
}

/** Gets what was found. @param normal for the other reading of the path, if there is one */
export type Tell = (exchange: Exchange, asSent: Found, normal: Found | undefined) => void

/**
 * @param action its type, for the log
 * @param tell only if an expression reads the result
 * @returns a function that gives the URL with replacements, or undefined if nothing matches. It throws a RelayError:
 *   `path_ambiguous` if only one of two readings of the path matches, `expression_failed` if the pattern takes too much work
 */
export function urlReplacement(
  { from, to }: UrlReplacementConfig,
  action: string,
  parts: SourcesParts,
  tell?: Tell,
): (exchange: Exchange) => string | undefined {
  const replacementFor = replacements(to, action, parts)
  if (from === undefined) {
    return (exchange) => {
      const { origin, target } = exchange
      const replacement = replacementFor(exchange)
      const whole = (url: string): Found => ({
        url: replacement.expand({ group: (key) => (key === 0 ? url : '') }),
        matches: [url],
      })
      const asSent = whole(origin + target)
      tell?.(exchange, asSent, inNormalForm(exchange, whole))
      return asSent.url
    }
  }
  const patternFor = patterns(from, action, parts)
  return (exchange) => {
    const { origin, target, path, normalPath } = exchange
    const replacement = replacementFor(exchange)
    const budget = new Budget()
    budget.begin()
    try {
      const pattern = patternFor(exchange, budget)
      const made = pattern.replaceAll(origin + target, (match) => replacement.expand(match), budget)
      if (normalPath !== undefined) {
        const isMatch = pattern.isIn(origin + normalPath + target.slice(path.length), budget)
        // If the two readings of a path would lead to different decisions, the request is refused.
        if (isMatch !== (made !== undefined)) throw new RelayError('path_ambiguous')
      }
      if (tell) {
        const find = (url: string): Found => foundBy(pattern, url, replacement, budget)
        tell(exchange, find(origin + target), inNormalForm(exchange, find))
      }
      return made
    } catch (error) {
      if (!(error instanceof OverBudget) && !(error instanceof ValueError)) throw error
      throw new RelayError('expression_failed', { detail: `${action}: from ${error.message}`, cause: error })
    }
  }
}

function inNormalForm({ origin, target, path, normalPath }: Exchange, find: (url: string) => Found): Found | undefined {
  return normalPath === undefined ? undefined : find(origin + normalPath + target.slice(path.length))
}

const MATCHES_MAX = 100

function foundBy(pattern: Pattern, whole: string, replacement: Replacement, budget: Budget): Found {
  const matches: string[] = []
  const put = (match: Match): string => {
    if (matches.length < MATCHES_MAX) matches.push(match.group(0))
    return replacement.expand(match)
  }
  return { url: pattern.replaceAll(whole, put, budget), matches }
}

/** Values in `to` are never read as groups. */
function replacements(to: string, action: string, parts: SourcesParts): (exchange: Exchange) => Replacement {
  const text = textFrom(to, 'on_http_request', `to of ${action}`, parts, 'in a replacement')
  if (!isConstant(to)) return (exchange) => new Replacement(text(exchange), percentEncoded)
  const replacement = new Replacement(to, percentEncoded)
  return () => replacement
}

/** Values that are inserted into `from` match only their own text. */
function patterns(from: string, action: string, parts: SourcesParts): (exchange: Exchange, budget: Budget) => Pattern {
  if (isConstant(from)) {
    const pattern = readPattern(from)
    return () => pattern
  }
  const text = textFrom(from, 'on_http_request', `from of ${action}`, parts, 'in a pattern')
  const cache = patternCache()
  return (exchange, budget) => cache.get(text(exchange), budget)
}

function readPattern(source: string): Pattern {
  const pattern = patternOf(source)
  if ('problem' in pattern) throw new TypeError(`not a pattern: ${source}`) // the configuration was checked before
  return pattern
}

const ABSOLUTE = /^(https?):\/\/([^/?#]*)(.*)$/is
const OTHER_SCHEME = /^[a-z][a-z0-9+.-]*:/i

/**
 * Reads the result of a replacement. Without scheme and host, it is always a path on the same host, even `//evil`.
 * @throws RelayError `rewrite_refused` if it names a host that is not valid, or has another scheme
 */
export function addressOf(made: string, origin: string): Address {
  const [, scheme, authority = '', rest = ''] = ABSOLUTE.exec(made) ?? []
  if (scheme === undefined) {
    if (OTHER_SCHEME.test(made)) throw refusal('is not a path and does not begin with http:// or https://')
    return { origin, rest: fromRoot(made) }
  }
  if (!isAuthority(authority)) throw refusal('names a host that is not valid')
  return { origin: `${scheme}://${authority}`.toLowerCase(), rest: fromRoot(rest) }
}

function fromRoot(rest: string): string {
  return rest.startsWith('/') ? rest : `/${rest}`
}

/** The error does not contain the address, which may hold a token of the visitor. */
function refusal(problem: string): RelayError {
  return new RelayError('rewrite_refused', { detail: `the rewritten address ${problem}` })
}

/**
 * The text of a policy may have spaces and characters outside of ASCII, which become the bytes of UTF-8 (RFC 3986
 * 2.5).
 */
function percentEncoded(text: string): string {
  return text.replace(/[^\x21-\x7e]+/g, (part) => {
    return Array.from(Buffer.from(part, 'utf8'), (byte) => `%${hex(byte)}`).join('')
  })
}

/** Two digits, as RFC 3986 2.1 prefers them. */
export function hex(byte: number): string {
  return byte.toString(16).toUpperCase().padStart(2, '0')
}

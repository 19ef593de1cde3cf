// URLs and query strings. ngrok docs: "Macros Reference", URL, Query string; Go: net/url.

import { ValueError } from '../expression-error.ts'
import type { ExpressionView } from '../expression-view.ts'
import { entriesOf, textOf, weightOf } from '../values.ts'
import { TEXT_MAX } from '../limits.ts'
import { decodeQueryPart, percentDecode, percentEncode, readQuery } from '../variables/query.ts'
import { type FunctionDefinition, define } from './define-function.ts'

export const URL_FUNCTIONS: readonly FunctionDefinition[] = [
  define('url.escape(string): string', 'percent-encodes everything except letters, digits and -._~', escape),
  define('string.escapeUrl(): string', 'percent-encodes everything except letters, digits and -._~', escape),
  define(
    'url.unescape(string): string',
    'decodes percent-encoding; an error if a % is not followed by two digits',
    unescape,
  ),
  define(
    'string.unescapeUrl(): string',
    'decodes percent-encoding; an error if a % is not followed by two digits',
    unescape,
  ),
  define(
    'url.parse(string): map<string, dyn>',
    'its scheme, host, port, path, query, …; an error if it is not a URL',
    parse,
  ),
  define(
    'string.parseUrl(): map<string, dyn>',
    'its scheme, host, port, path, query, …; an error if it is not a URL',
    parse,
  ),
  define(
    'string.isURL(): bool',
    'whether it is a URL with a scheme and a host',
    (view: ExpressionView, text: string) => {
      view.budget.spend(30 + (text.length >> 3))
      const url = URL.parse(text)
      return url !== null && url.host !== ''
    },
  ),
  define('queryString.encode(map): string', 'the names stay in their order', encodeQuery),
  define('map.encodeQueryString(): string', 'the names stay in their order', encodeQuery),
  define(
    'queryString.decode(string): map<string, dyn>',
    'a text for each name, or a list if it has several values',
    decodeQuery,
  ),
  define(
    'string.decodeQueryString(): map<string, dyn>',
    'a text for each name, or a list if it has several values',
    decodeQuery,
  ),
  define(
    'string.isQueryString(): bool',
    'whether it is made of pairs `name=value`',
    (view: ExpressionView, text: string) => {
      view.budget.spendText(text.length * 4)
      return text !== '' && text.split('&').every(isPair)
    },
  ),
]

function escape({ budget }: ExpressionView, text: string): string {
  budget.spendText(text.length * 4)
  return budget.text(percentEncode(text))
}

function unescape({ budget }: ExpressionView, text: string): string {
  budget.spendText(text.length * 4)
  const plain = percentDecode(text)
  if (plain === undefined) throw new ValueError('unescape: a % is not followed by two digits')
  return budget.text(plain)
}

function parse({ budget }: ExpressionView, text: string): Map<string, unknown> {
  budget.spend(30 + (text.length >> 2))
  const url = URL.parse(text)
  if (!url) throw new ValueError('the text is not a URL')
  const query = url.search.slice(1)
  const parsed = new Map<string, unknown>([
    ['scheme', url.protocol.slice(0, -1)],
    ['host', url.hostname],
    ['authority', url.host],
    ['path', url.pathname],
    ['query', query],
    ['query_params', readQuery(query)],
    ['uri', `${url.pathname}${url.search}`],
    ['fragment', url.hash.slice(1)],
    ['user_password', [url.username, url.password].filter((part) => part !== '').join(':')],
    ['raw', text],
  ])
  if (url.port !== '') parsed.set('port', BigInt(url.port))
  return parsed
}

function encodeQuery({ budget }: ExpressionView, map: object): string {
  const weight = weightOf(map, TEXT_MAX)
  if (weight > TEXT_MAX) budget.allowText(Infinity)
  budget.spend(weight * 4)
  const pairs: string[] = []
  for (const [name, value] of entriesOf(map) ?? []) {
    const values: readonly unknown[] = Array.isArray(value) ? value : [value]
    for (const each of values) pairs.push(`${encodeQueryPart(textOf(name))}=${encodeQueryPart(textOf(each))}`)
  }
  return budget.text(pairs.join('&'))
}

/** Go: a space is a plus. */
function encodeQueryPart(text: string): string {
  return percentEncode(text).replaceAll('%20', '+')
}

function decodeQuery({ budget }: ExpressionView, text: string): Map<string, unknown> {
  budget.spendText(text.length * 8)
  const pairs = readQuery(text.startsWith('?') ? text.slice(1) : text)
  return new Map([...pairs].map(([name, values]) => [name, values.length === 1 ? values[0] : values]))
}

function isPair(pair: string): boolean {
  const equals = pair.indexOf('=')
  if (equals < 1 || /[\s;]/.test(pair)) return false
  return decodeQueryPart(pair.slice(0, equals)) !== undefined && decodeQueryPart(pair.slice(equals + 1)) !== undefined
}

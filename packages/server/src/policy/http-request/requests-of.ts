// Makes the request of an `http-request` for an exchange. All tries send the same one.

import type { AppAnswer } from '../../exchange/app-answer.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import { RELAY_VERSION } from '../../version.ts'
import type { Phase } from '../kind.ts'
import type { SourcesParts } from '../sources/sources.ts'
import { linesFrom, lowerCased, textFrom } from '../text.ts'
import type { HttpRequestConfig } from './kind.ts'

export interface CallRequest {
  readonly method: string
  /** The url with its parameters. It may be any text. */
  readonly url: string
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: Buffer
  /** For expressions: `actions.ngrok.http_request.req`. */
  readonly shown: Readonly<Record<string, unknown>>
}

const USER_AGENT = `sallyport-relay/${RELAY_VERSION}`

export function requestsOf(
  config: HttpRequestConfig,
  phase: Phase,
  parts: SourcesParts,
): (exchange: Exchange, answer?: AppAnswer) => CallRequest {
  const { method } = config
  const part = (source: string, where: string): ReturnType<typeof textFrom> =>
    textFrom(source, phase, `the ${where} of http-request`, parts)
  const [base, body] = [part(config.url, 'url'), part(config.body, 'body')]
  const params = config.query_params.map(
    ({ key, value }) => [part(key, 'query_params'), part(value, 'query_params')] as const,
  )
  const lines = linesFrom(config.headers, phase, parts)
  return (exchange, answer) => {
    const written = lines(exchange, answer)
    const hasAgent = written.some(([name]) => name.toLowerCase() === 'user-agent')
    const headers = hasAgent ? written : [...written, ['User-Agent', USER_AGENT] as const]
    const text = body(exchange, answer)
    const query = params.map((pair) =>
      pair.map((each) => encodeURIComponent(each(exchange, answer).toWellFormed())).join('='),
    )
    const url = withQuery(base(exchange, answer), query)
    const header = Object.fromEntries(Object.entries(lowerCased(headers)).map(([name, value]) => [name, [value]]))
    return { method, url, headers, body: Buffer.from(text, 'utf8'), shown: { method, url, header, body: text } }
  }
}

function withQuery(url: string, query: readonly string[]): string {
  if (query.length === 0) return url
  return `${url}${url.includes('?') ? '&' : '?'}${query.join('&')}`
}

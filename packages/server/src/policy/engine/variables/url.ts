// `req.url` and its fields. Section 14.2 of the reference: `path` is the path that is forwarded, or its normal form when an expression
// is evaluated for both; `raw_path` is always the visitor's. Pure: no I/O, no clock.

import type { RequestFacts } from '../facts.ts'
import { readQuery } from './query.ts'
import { defineRecord, value } from './record.ts'

export const URL_RECORD = defineRecord<RequestFacts>('sallyport.Url', {
  scheme: value('string', 'the scheme: `http` or `https`', (request) => request.scheme),
  host: value('string', 'the host, in lower case and without a port', (request) => request.host),
  port: value('int', 'the port; absent if the address has none', ({ port }) =>
    port === undefined ? undefined : BigInt(port),
  ),
  authority: value('string', 'host and port', authorityOf),
  path: value('string', 'the path that the app gets', (request) => request.path),
  query: value('string', 'the query, without the `?`', (request) => request.query),
  query_params: value(
    'map<string, list<string>>',
    'the decoded values by their names',
    (request) => readQuery(request.query),
    {
      units: 60,
    },
  ),
  uri: value('string', 'path and query', (request) => uriOf(request, request.path)),
  raw: value('string', 'the whole URL as the visitor sent it', (request) => wholeUrl(request, request.rawPath)),
  raw_path: value('string', 'the path as the visitor sent it', (request) => request.rawPath),
  user_password: value(
    'string',
    'always empty, because a request of HTTP has no user or password in its URL',
    () => '',
  ),
})

/** The whole URL. */
export function urlText(request: RequestFacts): string {
  return wholeUrl(request, request.path)
}

function wholeUrl(request: RequestFacts, path: string): string {
  return `${request.scheme}://${authorityOf(request)}${uriOf(request, path)}`
}

function authorityOf({ host, port }: RequestFacts): string {
  return port === undefined ? host : `${host}:${port}`
}

function uriOf({ query }: RequestFacts, path: string): string {
  return query === '' ? path : `${path}?${query}`
}

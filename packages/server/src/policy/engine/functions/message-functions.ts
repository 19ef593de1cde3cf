// Functions of the request and the response. ngrok docs: "Macros Reference", HTTP requests, HTTP responses. Unlike an index into a
// map, they return an empty list for a missing header, not an error.

import { ValueError } from '../expression-error.ts'
import type { ExpressionView } from '../expression-view.ts'
import { HTTP_PHASES, RESPONSE_PHASE } from '../phase.ts'
import { readCookies, readSetCookies } from '../variables/cookies.ts'
import { linesOf } from '../variables/header-map.ts'
import { readQuery } from '../variables/query.ts'
import { type FunctionDefinition, define } from './define-function.ts'

const OF_REQUEST = { phases: HTTP_PHASES }
const OF_RESPONSE = { phases: RESPONSE_PHASE }

export const MESSAGE_FUNCTIONS: readonly FunctionDefinition[] = [
  define('getReqHeader(string): list<string>', 'all values of a header', requestHeader, {
    ...OF_REQUEST,
    reads: 'req.headers',
  }),
  define(
    'hasReqHeader(string): bool',
    'whether the request has the header',
    (view: ExpressionView, name: string) => requestHeader(view, name).length > 0,
    {
      ...OF_REQUEST,
      reads: 'req.headers',
    },
  ),
  define(
    'getReqCookie(string): sallyport.Cookie',
    'the first cookie of this name; an error if there is none',
    (view: ExpressionView, name: string) => found(requestCookie(view, name)),
    { ...OF_REQUEST, reads: 'req.cookies' },
  ),
  define(
    'hasReqCookie(string): bool',
    'whether the request has the cookie',
    (view: ExpressionView, name: string) => requestCookie(view, name) !== undefined,
    {
      ...OF_REQUEST,
      reads: 'req.cookies',
    },
  ),
  define('getQueryParam(string): list<string>', 'all values of this name in the query', queryParam, {
    ...OF_REQUEST,
    reads: 'req.url.query_params',
  }),
  define(
    'hasQueryParam(string): bool',
    'whether the query has the name',
    (view: ExpressionView, name: string) => queryParam(view, name).length > 0,
    {
      ...OF_REQUEST,
      reads: 'req.url.query_params',
    },
  ),
  define('getResHeader(string): list<string>', 'all values of a header', responseHeader, {
    ...OF_RESPONSE,
    reads: 'res.headers',
  }),
  define(
    'hasResHeader(string): bool',
    'whether the answer has the header',
    (view: ExpressionView, name: string) => responseHeader(view, name).length > 0,
    {
      ...OF_RESPONSE,
      reads: 'res.headers',
    },
  ),
  define(
    'getResCookie(string): sallyport.Cookie',
    'the cookie of this name with the longest path; an error if there is none',
    (view: ExpressionView, name: string) => found(responseCookie(view, name)),
    { ...OF_RESPONSE, reads: 'res.cookies' },
  ),
  define(
    'hasResCookie(string): bool',
    'whether the answer sets the cookie',
    (view: ExpressionView, name: string) => responseCookie(view, name) !== undefined,
    {
      ...OF_RESPONSE,
      reads: 'res.cookies',
    },
  ),
]

function requestHeader(view: ExpressionView, name: string): string[] {
  return valuesOf(view, view.facts.request?.rawHeaders ?? [], name)
}

function responseHeader(view: ExpressionView, name: string): string[] {
  return valuesOf(view, view.facts.response?.rawHeaders ?? [], name)
}

function valuesOf({ budget }: ExpressionView, raw: readonly string[], name: string): string[] {
  budget.spend(1 + (raw.length >> 3))
  return linesOf(raw, name) ?? []
}

function requestCookie(view: ExpressionView, name: string): object | undefined {
  const lines = requestHeader(view, 'cookie')
  view.budget.spendText(lines.reduce((chars, line) => chars + line.length, 0))
  return readCookies(lines).get(name)?.[0]
}

function responseCookie(view: ExpressionView, name: string): object | undefined {
  const lines = responseHeader(view, 'set-cookie')
  view.budget.spend(10 * lines.length)
  return readSetCookies(lines).get(name)?.[0]
}

function queryParam({ facts, budget }: ExpressionView, name: string): string[] {
  const query = facts.request?.query ?? ''
  budget.spendText(8 * query.length)
  return readQuery(query).get(name) ?? []
}

function found(cookie: object | undefined): object {
  if (!cookie) throw new ValueError('there is no such cookie')
  return cookie
}

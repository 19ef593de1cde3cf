// `req`. ngrok docs: "HTTP Request Variables". Pure: no I/O, no clock.

import type { RequestFacts } from '../facts.ts'
import { readCookies } from './cookies.ts'
import { linesOf } from './header-map.ts'
import { messageFields } from './message.ts'
import { defineRecord, older, part, textWithFields, value } from './record.ts'
import { URL_RECORD, urlText } from './url.ts'
import { USER_AGENT } from './user-agent.ts'

const TIMES = defineRecord<RequestFacts>('sallyport.RequestTimes', {
  header_received: value(
    'timestamp',
    'when the whole head had come',
    ({ headerReceivedAt }) => new Date(headerReceivedAt),
  ),
  body_received: value('timestamp', 'when the whole body had come; absent until then', ({ bodyReceivedAt }) =>
    bodyReceivedAt === undefined ? undefined : new Date(bodyReceivedAt),
  ),
})

export const REQUEST = defineRecord<RequestFacts>('sallyport.Request', {
  method: value('string', 'the method, for example `GET`', (request) => request.method),
  host: value('string', 'the host, in lower case and without a port', (request) => request.host),
  version: value('string', 'the version of HTTP: `HTTP/1.1` or `HTTP/2.0`', (request) => request.version),
  ...messageFields<RequestFacts>(),
  cookies: value(
    'map<string, list<sallyport.Cookie>>',
    'the cookies by their names, in the order of the header',
    (request) => readCookies(linesOf(request.rawHeaders, 'cookie') ?? []),
    { units: 300 },
  ),
  url: textWithFields(URL_RECORD, 'the whole URL', urlText, (request) => request, { units: 10 }),
  user_agent: textWithFields(
    USER_AGENT,
    'the header `User-Agent`; empty without the header',
    (request) => userAgentOf(request),
    (request) => ({ text: userAgentOf(request) }),
    { units: 60 },
  ),
  ts: part(TIMES, 'times', (request) => request),
  Cookies: older('req.cookies', 'list<sallyport.Cookie>', (request) =>
    [...readCookies(linesOf(request.rawHeaders, 'cookie') ?? []).values()].flat(),
  ),
})

function userAgentOf(request: RequestFacts): string {
  return linesOf(request.rawHeaders, 'user-agent')?.[0] ?? ''
}

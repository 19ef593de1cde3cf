// `res`: the answer of the app. ngrok docs: "HTTP Response Variables". Pure: no I/O, no clock.

import type { ResponseFacts } from '../facts.ts'
import { readSetCookies } from './cookies.ts'
import { linesOf } from './header-map.ts'
import { messageFields } from './message.ts'
import { defineRecord, older, value } from './record.ts'

export const RESPONSE = defineRecord<ResponseFacts>('sallyport.Response', {
  status_code: value('int', 'the status, for example `200`', ({ statusCode }) => BigInt(statusCode)),
  ...messageFields<ResponseFacts>(),
  cookies: value(
    'map<string, list<sallyport.Cookie>>',
    'the cookies that the response sets, by their names; those with the longest path come first',
    (response) => readSetCookies(linesOf(response.rawHeaders, 'set-cookie') ?? []),
    { units: 300 },
  ),
  StatusCode: older('res.status_code', 'string', ({ statusCode }) => String(statusCode)),
})

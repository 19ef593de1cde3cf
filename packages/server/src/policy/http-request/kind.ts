// The kind of `http-request`. Pure: no I/O, no clock.

import { z } from 'zod'

import { quotedStart } from '../../values/hosts/quoted-start.ts'
import { readInternalUrl } from '../../values/hosts/internal-host.ts'
import { duration, headerValues, text, wholeNumber } from '../../values/value-schemas.ts'
import { defineKind } from '../kind.ts'
import { retryConditionOf } from '../language.ts'
import { isConstant } from '../templates-of.ts'

const BODY_MAX_CHARS = 65_536
const PARAMS_MAX = 32
const REDIRECTS_MAX = 5

const schema = z.strictObject({
  url: text()
    .describe('The address at an internal endpoint, with path and query. It may contain `${…}`.')
    .meta({ examples: ['https://auth.internal/check'] }),
  method: z
    .enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])
    .default('GET')
    .describe('GET, POST, PUT, PATCH, DELETE or OPTIONS.'),
  query_params: z
    .array(z.strictObject({ key: text().max(128), value: z.string().max(8192) }))
    .max(PARAMS_MAX, `has more than ${PARAMS_MAX} items`)
    .default([])
    .describe('A list with `key` and `value` in each item, added to the query. Both may contain `${…}`.')
    .meta({ examples: ['[{ key: host, value: "${req.host}" }]'] }),
  headers: headerValues({ allowsTemplates: true })
    .default({})
    .describe('Headers of the request. Values may contain `${…}`. Nothing of the visitor’s headers is sent by itself.'),
  body: z.string().max(BODY_MAX_CHARS).default('').describe('The body of the request, which may contain `${…}`.'),
  max_redirects: wholeNumber(0, REDIRECTS_MAX)
    .default(0)
    .describe('How many redirects are followed, to internal endpoints only. With 0 a redirect is the answer.'),
  timeout: duration()
    .refine((ms) => ms >= 1000 && ms <= 30_000, 'must be from 1s to 30s')
    .prefault('3s')
    .describe('The time for all tries together.'),
  retry_condition: text()
    .exactOptional()
    .describe(
      'A CEL expression. After a try for which it holds, the request is tried again, three times in all. It knows `attempts` and `last_attempt`.',
    )
    .meta({ examples: ['last_attempt.res.status_code >= 500'] }),
  on_error: z
    .enum(['halt', 'continue'])
    .default('halt')
    .describe(
      'What happens without an answer: `halt` refuses the request, `continue` notes the error and runs the next action.',
    ),
})

export type HttpRequestConfig = z.output<typeof schema>

export const httpRequestKind = defineKind({
  documentation:
    'Makes a request to an [internal endpoint](traffic-policy.md#internal-endpoints), and gives expressions after it the answer. It asks nobody else. See [Traffic policy](traffic-policy.md#http-request).',
  otherNames: ['http-call', 'subrequest'],
  phases: ['on_http_request', 'on_http_response'],
  admits: 'everybody',
  takesSecrets: false,
  waits: true,
  agentMayWrite: [
    'url',
    'method',
    'query_params',
    'headers',
    'body',
    'max_redirects',
    'timeout',
    'retry_condition',
    'on_error',
  ],
  schema,
  templates: ['url', 'query_params', 'headers', 'body'],
  complete: (config) => config,
  asks: () => undefined,
  *check({ url, headers, retry_condition: condition }, { phase, supply }) {
    if (isConstant(url)) {
      const problem = callProblem(url)
      if (problem) yield { path: ['url'], message: problem }
    }
    for (const name of Object.keys(headers)) {
      if (name.toLowerCase() === 'host')
        yield { path: ['headers', name], message: 'is set by the url; remove this line' }
    }
    if (condition === undefined) return
    const compiled = retryConditionOf(condition, phase, supply)
    if (!('problems' in compiled)) return
    for (const { message } of compiled.problems) yield { path: ['retry_condition'], message }
  },
})

/** @returns the end of a sentence */
export function callProblem(url: string): string | undefined {
  if (readInternalUrl(url)) return undefined
  return `${quotedStart(url)} is not at an internal endpoint, and http-request asks nobody else; write it like https://auth.internal/check`
}

// The kind of `rate-limit`. Pure: no I/O, no clock.

import { z } from 'zod'

import { duration, filledList, flag, text, wholeNumber } from '../../values/value-schemas.ts'
import { defineKind } from '../kind.ts'
import { valueOf } from '../language.ts'

const CAPACITY_MAX = 2_000_000_000
const RATE_MIN_MS = 1000
const RATE_MAX_MS = 24 * 3_600_000
const KEYS_MAX = 10

const schema = z.strictObject({
  name: text()
    .max(1023)
    .describe('For the log, and for `RateLimit-Policy`.')
    .meta({ examples: ['API by address'] }),
  algorithm: z.literal('sliding_window').default('sliding_window').describe('The only algorithm that the relay has.'),
  capacity: wholeNumber(1, CAPACITY_MAX)
    .describe('How many requests pass in a window of the length `rate`, for each bucket.')
    .meta({ examples: [100] }),
  rate: duration()
    .refine((ms) => ms >= RATE_MIN_MS && ms <= RATE_MAX_MS, 'must be from 1s to 24h')
    .describe('The length of the sliding window.')
    .meta({ examples: ['60s'] }),
  bucket_key: filledList(text(), 'would count nothing; write for example [conn.client_ip]')
    .max(KEYS_MAX, `has more than ${KEYS_MAX} expressions`)
    .describe(
      'CEL expressions. Requests for which all of them have the same values share a bucket; an expression that fails counts as empty.',
    )
    .meta({ examples: ['[conn.client_ip]'] }),
  enforce: flag()
    .default(true)
    .describe(
      'If `false`, every request passes; the log then says, once a minute at most, that some would have been refused.',
    ),
})

export type RateLimitConfig = z.output<typeof schema>

export const rateLimitKind = defineKind({
  documentation:
    'Limits the number of requests in a sliding window, for each visitor or for any other values of the keys. Requests above the limit get 429 with `Retry-After`, `RateLimit` and `RateLimit-Policy`. Several workers count together. See [Traffic policy](traffic-policy.md#rate-limit).',
  otherNames: ['rate-limiting'],
  phases: ['on_http_request'],
  admits: 'everybody',
  isNoGuard: true,
  takesSecrets: false,
  agentMayWrite: ['name', 'algorithm', 'capacity', 'rate', 'bucket_key', 'enforce'],
  schema,
  complete: (config) => config,
  asks: () => undefined,
  expressions: ({ bucket_key }) => bucket_key,
  *check({ bucket_key }, { supply }) {
    for (const [index, source] of bucket_key.entries()) {
      const key = valueOf(source, 'on_http_request', supply)
      if (!('problems' in key)) continue
      for (const { message } of key.problems) yield { path: ['bucket_key', index], message }
    }
  },
})

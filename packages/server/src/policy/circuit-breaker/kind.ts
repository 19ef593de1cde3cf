// The kind of `circuit-breaker`. Pure: no I/O, no clock.

import { z } from 'zod'

import { duration, flag, numberOf, wholeNumber } from '../../values/value-schemas.ts'
import { defineKind } from '../kind.ts'

const VOLUME_MAX = 2_000_000_000

const schema = z.strictObject({
  error_threshold: z
    .preprocess(numberOf, z.number().min(0).max(1))
    .describe('The share of faulty answers, from 0 to 1, at which the circuit opens.')
    .meta({ examples: [0.5] }),
  volume_threshold: wholeNumber(1, VOLUME_MAX)
    .default(10)
    .describe('How many answers the window must have before the circuit can open.'),
  window_duration: seconds('10s', 'The length of the window. Older answers do not count.'),
  tripped_duration: seconds('10s', 'How long the circuit stays open before one request tries the app again.'),
  num_buckets: z
    .preprocess(numberOf, z.literal(10))
    .default(10)
    .describe('The number of parts of the window: always 10. The key exists for policies that were written for ngrok.'),
  enforce: flag()
    .default(true)
    .describe(
      'If `false`, every request passes; the log then says, once a minute at most, that some would have been refused.',
    ),
})

export type CircuitBreakerConfig = z.output<typeof schema>

export const circuitBreakerKind = defineKind({
  documentation:
    'Answers with 503 and a `Retry-After` while the app fails too often, so that it can recover. See [Traffic policy](traffic-policy.md#circuit-breaker).',
  otherNames: [],
  phases: ['on_http_request'],
  admits: 'everybody',
  isNoGuard: true,
  takesSecrets: false,
  agentMayWrite: [
    'error_threshold',
    'volume_threshold',
    'window_duration',
    'tripped_duration',
    'num_buckets',
    'enforce',
  ],
  schema,
  complete: (config) => config,
  asks: () => undefined,
})

/** From one second to two minutes, in milliseconds. */
function seconds(preset: string, meaning: string) {
  return duration()
    .refine((ms) => ms >= 1000 && ms <= 120_000, 'must be from 1s to 2m')
    .prefault(preset)
    .describe(meaning)
}

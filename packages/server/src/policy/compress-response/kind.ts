// The kind of `compress-response`. Pure: no I/O, no clock.

import { z } from 'zod'

import { filledList } from '../../values/value-schemas.ts'
import { defineKind } from '../kind.ts'
import { ALGORITHMS } from './algorithms.ts'

const schema = z.strictObject({
  algorithms: filledList(
    z.enum([...ALGORITHMS, 'compress']),
    'would compress nothing; name an algorithm, or remove this line',
  )
    .refine((written) => new Set(written).size === written.length, 'names an algorithm twice; remove one')
    .default([...ALGORITHMS])
    .describe(
      'The algorithms, in the order of preference for visitors that accept several equally. ngrok’s `compress` is allowed but never used, because no browser asks for it. ngrok has no `zstd`.',
    )
    .meta({ examples: ['[br, gzip]'] }),
})

export type CompressResponseConfig = z.output<typeof schema>

export const compressResponseKind = defineKind({
  documentation:
    'Compresses the app’s answers on their way, if the visitor accepts it (`Accept-Encoding`). Answers that are already compressed, small or partial stay unchanged. Do not use it on pages that hold a secret beside what visitors send: see [traffic policy](traffic-policy.md#compress-response). `config` may be left out.',
  otherNames: ['compression', 'compress'],
  phases: ['on_http_response'],
  admits: 'everybody',
  isNoGuard: true,
  takesSecrets: false,
  agentMayWrite: ['algorithms'],
  schema: schema.prefault({}),
  complete: (config) => config,
  asks: () => undefined,
})

// The kind of `log`. Pure: no I/O, no clock.

import { z } from 'zod'

import { defineKind } from '../kind.ts'
import { anyValue } from '../../values/any-value.ts'

const NAMES_MAX = 50

const schema = z.strictObject({
  metadata: z
    .record(z.string().regex(/^[\w.-]{1,64}$/, 'must be a name of letters, digits, _, - and .'), anyValue())
    .refine((entries) => {
      const { length } = Object.keys(entries)
      return length > 0 && length <= NAMES_MAX
    }, `must have 1 to ${NAMES_MAX} names`)
    .describe('Names and values, of any kind. Secrets, tokens, cookies and credentials cannot be written.')
    .meta({ examples: ['{ address: "${conn.client_ip}" }'] }),
})

export type LogConfig = z.output<typeof schema>

export const logKind = defineKind({
  documentation:
    'Writes a line `policy log` with the rule and the metadata into the relay’s log. See [Traffic policy](traffic-policy.md#log).',
  otherNames: [],
  phases: ['on_tcp_connect', 'on_http_request', 'on_http_response'],
  admits: 'everybody',
  isNoGuard: true,
  takesSecrets: false,
  agentMayWrite: ['metadata'],
  templates: ['metadata'],
  schema,
  complete: (config) => config,
  asks: () => undefined,
})

// The kind of `add-headers`. Pure: no I/O, no clock.

import { z } from 'zod'

import { headerValues } from '../../values/value-schemas.ts'
import { defineKind } from '../kind.ts'

const schema = z.strictObject({
  headers: headerValues()
    .describe('Name and value of each header. One that is there already is replaced.')
    .meta({ examples: ['{ X-Environment: staging }'] }),
})

export type AddHeadersConfig = z.output<typeof schema>

export const addHeadersKind = defineKind({
  documentation:
    'Sets headers. Those that frame the message, name the host or carry what the relay vouches for cannot be set.',
  otherNames: [],
  phases: ['on_http_request', 'on_http_response'],
  admits: 'everybody',
  takesSecrets: false,
  agentMayWrite: ['headers'],
  schema,
  complete: (config) => config,
  asks: () => undefined,
})

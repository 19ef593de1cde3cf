// The kind of `remove-headers`. Pure: no I/O, no clock.

import { z } from 'zod'

import { filledList, headerName } from '../../values/value-schemas.ts'
import { defineKind } from '../kind.ts'

const schema = z.strictObject({
  headers: filledList(headerName(), 'would mean no header; add a header name, or remove the action')
    .describe('Names of headers, in any case.')
    .meta({ examples: ['[X-Debug]'] }),
})

export type RemoveHeadersConfig = z.output<typeof schema>

export const removeHeadersKind = defineKind({
  documentation: 'Removes headers, with the same exceptions.',
  otherNames: [],
  phases: ['on_http_request', 'on_http_response'],
  admits: 'everybody',
  isNoGuard: true,
  takesSecrets: false,
  agentMayWrite: ['headers'],
  schema,
  complete: (config) => config,
  asks: () => undefined,
})

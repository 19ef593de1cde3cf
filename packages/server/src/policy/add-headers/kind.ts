// The kind of `add-headers`. Pure: no I/O, no clock.

import { z } from 'zod'

import { hostProblems, writtenHeaders } from '../header-values.ts'
import { defineKind } from '../kind.ts'

const schema = z.strictObject({
  headers: writtenHeaders()
    .describe('Name and value of each header. One that is there already stays, in front; `Host` is replaced.')
    .meta({ examples: ['{ Vary: Accept-Language }'] }),
})

export type AddHeadersConfig = z.output<typeof schema>

export const addHeadersKind = defineKind({
  documentation:
    'Adds headers, as the action of that name at ngrok does: a header of the same name stays. Of requests that is rarely meant, since visitors may send any header themselves: use `set-headers`, or remove it first. Headers that frame the message or carry what the relay vouches for cannot be added.',
  otherNames: [],
  phases: ['on_http_request', 'on_http_response'],
  admits: 'everybody',
  takesSecrets: false,
  agentMayWrite: ['headers'],
  schema,
  complete: (config) => config,
  asks: () => undefined,
  check: hostProblems,
})

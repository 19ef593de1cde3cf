// The kind of `add-headers`. Pure: no I/O, no clock.

import { z } from 'zod'

import { hostProblems, writtenHeaders } from '../headers/header-values.ts'
import { defineKind } from '../kind.ts'

const schema = z.strictObject({
  headers: writtenHeaders()
    .describe(
      'Name and value of each header. Values may contain `${…}`. An existing one stays, in front; `Host` is replaced.',
    )
    .meta({ examples: ['{ Vary: Accept-Language }'] }),
})

export type AddHeadersConfig = z.output<typeof schema>

export const addHeadersKind = defineKind({
  documentation:
    'Adds headers, like ngrok’s action: an existing header of the same name stays. For requests that is rarely intended, since visitors may send any header themselves: use `set-headers`, or remove it first. Headers that frame the message or that the relay vouches for cannot be added.',
  otherNames: [],
  phases: ['on_http_request', 'on_http_response'],
  admits: 'everybody',
  isNoGuard: true,
  takesSecrets: false,
  agentMayWrite: ['headers'],
  schema,
  templates: ['headers'],
  complete: (config) => config,
  asks: () => undefined,
  check: hostProblems,
})

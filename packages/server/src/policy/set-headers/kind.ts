// The kind of `set-headers`. Pure: no I/O, no clock.

import { z } from 'zod'

import { hostProblems, writtenHeaders } from '../headers/header-values.ts'
import { defineKind } from '../kind.ts'

const schema = z.strictObject({
  headers: writtenHeaders()
    .describe('Name and value of each header. Values may contain `${…}`.')
    .meta({ examples: ['{ X-Environment: staging }'] }),
})

export type SetHeadersConfig = z.output<typeof schema>

export const setHeadersKind = defineKind({
  documentation:
    'Sets headers: existing headers of the same name are replaced, in any spelling. `Host` sets the app’s host. Headers that frame the message or that the relay vouches for cannot be set. ngrok has no such action.',
  otherNames: ['replace-headers'],
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

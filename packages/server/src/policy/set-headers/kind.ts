// What is known of `set-headers`. Pure: no I/O, no clock.

import { z } from 'zod'

import { hostProblems, writtenHeaders } from '../header-values.ts'
import { defineKind } from '../kind.ts'

const schema = z.strictObject({
  headers: writtenHeaders()
    .describe('Name and value of each header.')
    .meta({ examples: ['{ X-Environment: staging }'] }),
})

export type SetHeadersConfig = z.output<typeof schema>

export const setHeadersKind = defineKind({
  documentation:
    'Sets headers: all of the same name that are there already are replaced, in whatever spelling. `Host` is what the app gets as its host. Headers that frame the message or carry what the relay vouches for cannot be set. ngrok has no such action.',
  otherNames: ['replace-headers'],
  phases: ['on_http_request', 'on_http_response'],
  admits: 'everybody',
  takesSecrets: false,
  agentMayWrite: ['headers'],
  schema,
  complete: (config) => config,
  asks: () => undefined,
  check: hostProblems,
})

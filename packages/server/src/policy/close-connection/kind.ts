// The kind of `close-connection`. Pure: no I/O, no clock.

import { z } from 'zod'

import { defineKind } from '../kind.ts'

const schema = z.strictObject({})

export type CloseConnectionConfig = z.output<typeof schema>

export const closeConnectionKind = defineKind({
  documentation:
    'Closes the visitor’s connection without an answer; over HTTP/2 all requests on it end. Behind a trusted proxy one HTTP/2 connection carries many visitors, so only the request ends there. `config` may be left out, and has no keys.',
  otherNames: [],
  phases: ['on_tcp_connect', 'on_http_request'],
  admits: 'nobody',
  takesSecrets: false,
  agentMayWrite: [],
  schema: schema.prefault({}),
  complete: (config) => config,
  asks: () => 'nobody',
})

// The kind of `service-token`. Pure: no I/O, no clock.

import { z } from 'zod'

import { defineKind } from '../kind.ts'

export const serviceTokenKind = defineKind({
  documentation:
    'Programs pass with a token that `relay service-token create --edge …` has made for this edge, as `Authorization: Bearer` or `Sallyport-Service-Token`. See [Programs](programs.md#service-tokens). It has no keys; `config` may be left out.',
  otherNames: [],
  phases: ['on_http_request'],
  admits: 'some',
  takesSecrets: true,
  agentMayWrite: 'nothing',
  storeMayHave: [],
  schema: z.strictObject({}).prefault({}),
  complete: (config) => config,
  asks: () => 'a service token',
})

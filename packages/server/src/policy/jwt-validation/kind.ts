// The kind of `jwt-validation`. Pure: no I/O, no clock.

import { resolve } from 'node:path'

import { listed } from '@sallyport/protocol'

import { defineKind } from '../kind.ts'
import { jwtValidationSchema } from './jwt-validation-schema.ts'

export const jwtValidationKind = defineKind({
  documentation:
    'Programs pass with a JWT of an issuer that you name. The keys have the same names as in ngrok’s action. See [Programs](programs.md#tokens-of-an-issuer).',
  otherNames: ['jwt'],
  phases: ['on_http_request'],
  admits: 'some',
  takesSecrets: true,
  agentMayWrite: 'nothing',
  schema: jwtValidationSchema,
  complete: ({ provider_ca_file, ...config }, { folder }) => ({
    ...config,
    ...(provider_ca_file !== undefined && { provider_ca_file: resolve(folder, provider_ca_file) }),
  }),
  asks: ({ issuer }) => `a token of ${listed(issuer.allow_list.map(({ value }) => value))}`,
  providers: (config) => [config],
})

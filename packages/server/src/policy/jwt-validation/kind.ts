// The kind of `jwt-validation`. Pure: no I/O, no clock.

import { resolve } from 'node:path'

import { listed } from '@sallyport/protocol'
import type { FoundProblem } from '@sallyport/protocol/found-problem'

import { defineKind } from '../kind.ts'
import type { AgentLimits } from '../kind.ts'
import { PREPARED_TEXTS, isRestricted, jwtValidationSchema } from './jwt-validation-schema.ts'
import type { JwtValidationConfig } from './jwt-validation-schema.ts'

export const jwtValidationKind = defineKind({
  documentation:
    'Programs pass with a JWT of an issuer that you name, or with several JWTs: all of `http.tokens` are required. The keys have the same names as in ngrok’s action. See [Programs](programs.md#tokens-of-an-issuer).',
  otherNames: ['jwt'],
  phases: ['on_http_request'],
  admits: 'some',
  takesSecrets: true,
  // An agent may name no file of the relay's machine.
  agentMayWrite: [
    'issuer',
    'audience',
    'http',
    'jws',
    'required_claims',
    'clock_tolerance',
    'allow_cors_preflight',
    'forward_credentials',
  ],
  secretKeys: ['jws.keys.sources.shared_secret'],
  schema: jwtValidationSchema,
  prepared: PREPARED_TEXTS,
  complete: ({ provider_ca_file, ...config }, { folder }) => ({
    ...config,
    ...(provider_ca_file !== undefined && { provider_ca_file: resolve(folder, provider_ca_file) }),
  }),
  asks: ({ issuer }) => `a token of ${listed(issuer.allow_list.map(({ value }) => value))}`,
  providers: (config) => [config],
  checkOfAgent: inwardUrls,
  *warnings(config) {
    if (isRestricted(config)) return
    yield 'has jwt-validation without audience, so tokens pass that its issuers made for any other app; add audience: { allow_list: [{ value: … }] }'
  },
})

/** Only the operator may have the relay ask in its own network. */
function* inwardUrls({ issuer, jws }: JwtValidationConfig, { issuers }: AgentLimits): Iterable<FoundProblem> {
  const { additional_jkus, shared_secret } = jws.keys.sources
  if (shared_secret) return
  const urls = additional_jkus
    ? additional_jkus.map((url, index) => ({ url, path: ['jws', 'keys', 'sources', 'additional_jkus', index] }))
    : issuer.allow_list.map(({ value: url }, index) => ({ url, path: ['issuer', 'allow_list', index, 'value'] }))
  for (const { url, path } of urls) {
    const message = issuers.problemOf(new URL(url))
    if (message !== undefined) yield { path, message }
  }
}

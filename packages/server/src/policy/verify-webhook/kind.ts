// What is known of `verify-webhook`. Pure: no I/O, no clock.

import { webhookWords } from '@sallyport/protocol'
import { z } from 'zod'

import { isLoopbackHost } from '../../values/host-pattern.ts'
import { flag, secretText } from '../../values/value-schemas.ts'
import { defineKind } from '../kind.ts'
import { SUPPORTED_PROVIDERS, unsupportedProvider } from './providers.ts'
import { isSigningSecret } from './schemes/standard-webhooks.ts'
import { SCHEMES } from './schemes/schemes.ts'

const schema = z.strictObject({
  provider: z
    .enum(SUPPORTED_PROVIDERS, {
      error: ({ input }) => (typeof input === 'string' ? unsupportedProvider(input) : undefined),
    })
    .describe('Who delivers.'),
  secret: secretText().describe(
    'What the provider signs with, best written as `${WEBHOOK_SECRET}`. For `gitlab` the secret token or the signing token, for `sendgrid` the public key that it shows.',
  ),
  enforce: flag()
    .default(true)
    .describe('If `false`, all deliveries pass; the log then says once a minute why some would not have.'),
})

export type VerifyWebhookConfig = z.output<typeof schema>

export const verifyWebhookKind = defineKind({
  documentation:
    'Passes deliveries of a provider if their signature is right and, if the provider signs a time, recent. Others get 403. It reads the body first, up to `limits.held_body_bytes`; the app gets it unchanged. [Traffic policy](traffic-policy.md#verify-webhook) tells more.',
  otherNames: ['webhook-verification'],
  phases: ['on_http_request'],
  admits: 'some',
  takesSecrets: false, // signatures are no secrets; for GitLab's token see check
  agentMayWrite: ['provider', 'secret', 'enforce'],
  schema,
  complete: (config) => config,
  asks: ({ provider, enforce }) => (enforce ? webhookWords(provider) : undefined),
  *check({ provider, secret }, { publicUrl, hosts }) {
    const written = secret.reveal()
    const problem = SCHEMES[provider].secretProblem?.(written)
    if (problem !== undefined) yield { path: ['secret'], message: problem }
    const isSent = provider === 'gitlab' && !isSigningSecret(written)
    if (isSent && publicUrl?.protocol === 'http:' && !hosts.every(isLoopbackHost)) {
      yield {
        path: ['secret'],
        message: 'is sent with each delivery, which would be plain http; use https, or a signing token',
      }
    }
  },
})

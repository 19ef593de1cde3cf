// The kind of `verify-webhook`. Pure: no I/O, no clock.

import { webhookWords } from '@sallyport/protocol'
import { z } from 'zod'

import { isLoopbackHost } from '../../values/host-pattern.ts'
import { flag, secretText } from '../../values/value-schemas.ts'
import { defineKind } from '../kind.ts'
import { isLate, orLate } from '../late-text.ts'
import { SUPPORTED_PROVIDERS, unsupportedProvider } from './providers.ts'
import { isSigningSecret } from './schemes/standard-webhooks.ts'
import { SCHEMES } from './schemes/schemes.ts'

const schema = z.strictObject({
  provider: z
    .enum(SUPPORTED_PROVIDERS, {
      error: ({ input }) => (typeof input === 'string' ? unsupportedProvider(input) : undefined),
    })
    .describe('The provider that sends the deliveries.'),
  secret: orLate(secretText()).describe(
    'The secret with which the provider signs, best written as `${WEBHOOK_SECRET}`. For `gitlab` the secret token or the signing token, for `sendgrid` the public key that it shows.',
  ),
  enforce: flag()
    .default(true)
    .describe(
      'If `false`, all deliveries pass; the log then says, once a minute at most, why some would have been refused.',
    ),
})

export type VerifyWebhookConfig = z.output<typeof schema>

export const verifyWebhookKind = defineKind({
  documentation:
    'Lets deliveries of a provider pass if their signature is right and, for providers that sign a time, not too old. Other requests get 403. It reads the body first, up to `limits.held_body_bytes`; the app gets it unchanged. See [Traffic policy](traffic-policy.md#verify-webhook).',
  otherNames: ['webhook-verification'],
  phases: ['on_http_request'],
  admits: 'some',
  takesSecrets: false, // signatures are not secrets; for GitLab's token see check
  agentMayWrite: ['provider', 'secret', 'enforce'],
  secretKeys: ['secret'],
  secretsGoTo: ['provider'],
  schema,
  prepared: [{ at: ['secret'], mayBeLate: true, example: 'a secret of webhooks' }],
  complete: (config) => config,
  asks: ({ provider, enforce }) => (enforce ? webhookWords(provider) : undefined),
  *check({ provider, secret }, { publicUrl, hosts }) {
    const written = isLate(secret) ? undefined : secret.reveal() // a late one is checked for each delivery
    const problem = written === undefined ? undefined : SCHEMES[provider].secretProblem?.(written)
    if (problem !== undefined) yield { path: ['secret'], message: problem }
    const isSent = provider === 'gitlab' && (written === undefined || !isSigningSecret(written))
    if (isSent && publicUrl?.protocol === 'http:' && !hosts.every(isLoopbackHost)) {
      yield {
        path: ['secret'],
        message: 'is sent with each delivery, which would be plain http; use https, or a signing token',
      }
    }
  },
})

// GitLab: its secret token comes with each delivery unchanged; a signing token (GitLab 19, `whsec_…`) signs by Standard
// Webhooks. The secret decides which of the two applies, never the request.

import { isSameText, USUAL_TOLERANCE_MS, type Scheme } from './scheme.ts'
import { isSigningSecret, standardWebhooks } from './standard-webhooks.ts'

const signed = standardWebhooks(['webhook'], USUAL_TOLERANCE_MS)

export const gitlab: Scheme = {
  secretProblem: (secret) => (isSigningSecret(secret) ? signed.secretProblem?.(secret) : undefined),
  withSecret: (secret) => {
    if (isSigningSecret(secret)) return signed.withSecret(secret)
    return (delivery) => {
      const token = delivery.header('x-gitlab-token')
      if (token === undefined) return { ok: false, reason: 'signature_missing' }
      if (!isSameText(token, secret)) return { ok: false, reason: 'signature_wrong' }
      return { ok: true, checkBody: () => ({ ok: true }) }
    }
  },
}

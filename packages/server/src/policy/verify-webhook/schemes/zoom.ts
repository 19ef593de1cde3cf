// Zoom (developers.zoom.us/docs/api/webhooks): signed as Slack does, and an address has to prove that it knows the secret.

import { createHmac } from 'node:crypto'

import { headerNamed, hmac, inHeader } from './hmac.ts'
import { USUAL_TOLERANCE_MS, type Scheme } from './scheme.ts'

export const zoom: Scheme = {
  ...hmac({
    algorithm: 'sha256',
    encoding: 'hex',
    signaturesOf: inHeader('x-zm-signature', 'v0='),
    timestamp: { of: headerNamed('x-zm-request-timestamp'), unitMs: 1000, toleranceMs: USUAL_TOLERANCE_MS },
    before: (_, timestamp) => `v0:${timestamp}:`,
  }),
  challengeAnswer: (secret, body) => {
    const plainToken = plainTokenOf(body)
    if (plainToken === undefined) return undefined
    const encryptedToken = createHmac('sha256', secret).update(plainToken).digest('hex')
    return JSON.stringify({ plainToken, encryptedToken })
  },
}

/**
 * The answer is a signature of the token. If the token contained a colon, that could be the signature of a forged
 * delivery, so the relay answers only tokens that cannot be mistaken for a delivery.
 */
function plainTokenOf(body: Buffer): string | undefined {
  if (body.length > CHALLENGE_MAX_BYTES) return undefined
  let asked: unknown
  try {
    asked = JSON.parse(body.toString('utf8'))
  } catch {
    return undefined // another kind of body
  }
  if (!isRecord(asked) || asked['event'] !== 'endpoint.url_validation' || !isRecord(asked['payload'])) return undefined
  const { plainToken } = asked['payload']
  return typeof plainToken === 'string' && /^[\w-]{1,128}$/.test(plainToken) ? plainToken : undefined
}

const CHALLENGE_MAX_BYTES = 4096

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

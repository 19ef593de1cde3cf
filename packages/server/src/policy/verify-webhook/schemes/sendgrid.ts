// SendGrid's Event Webhook (twilio.com/docs/sendgrid, "Event Webhook Security Features"): ECDSA on P-256 over the time stamp
// and the body. The public key that SendGrid shows is configured as the secret.

import { createPublicKey, createVerify, type KeyObject } from 'node:crypto'

import { timestampFault, USUAL_TOLERANCE_MS, type Scheme } from './scheme.ts'

const SIGNATURE_MAX_CHARS = 200 // 72 bytes of DER in base64
const TIMESTAMP = { unitMs: 1000, toleranceMs: USUAL_TOLERANCE_MS }

export const sendgrid: Scheme = {
  secretProblem: (secret) =>
    keyOf(secret) ? undefined : 'is not a public key of SendGrid; write the verification key that it shows, in base64',
  withSecret: (secret) => {
    const key = keyOf(secret)
    if (!key) throw new TypeError('a key that nobody can read') // the check has refused it
    return (delivery, now) => {
      const signature = delivery.header('x-twilio-email-event-webhook-signature')
      if (signature === undefined) return { ok: false, reason: 'signature_missing' }
      if (signature.length > SIGNATURE_MAX_CHARS || !isBase64(signature)) {
        return { ok: false, reason: 'signature_malformed' }
      }
      const timestamp = delivery.header('x-twilio-email-event-webhook-timestamp')
      const fault = timestampFault(timestamp, now, TIMESTAMP)
      if (fault || timestamp === undefined) return { ok: false, reason: fault ?? 'timestamp_missing' }
      return {
        ok: true,
        checkBody: (body) =>
          createVerify('sha256').update(timestamp).update(body).verify(key, signature, 'base64')
            ? { ok: true }
            : { ok: false, reason: 'signature_wrong' },
      }
    }
  },
}

function isBase64(written: string): boolean {
  return Buffer.from(written, 'base64').toString('base64') === written
}

function keyOf(secret: string): KeyObject | undefined {
  const der = secret.replaceAll(/-----(?:BEGIN|END) PUBLIC KEY-----|\s/g, '')
  try {
    const key = createPublicKey({ key: Buffer.from(der, 'base64'), format: 'der', type: 'spki' })
    return key.asymmetricKeyDetails?.namedCurve === 'prime256v1' ? key : undefined
  } catch {
    return undefined // not a key at all
  }
}

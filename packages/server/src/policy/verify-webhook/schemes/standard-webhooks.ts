// Standard Webhooks 1.0 (github.com/standard-webhooks/standard-webhooks, "spec"): used by Svix and its customers, with
// headers `svix-…` or `webhook-…`.

import { hmac, listedInHeader } from './hmac.ts'
import type { Delivery, Scheme } from './scheme.ts'

const SECRET_PREFIX = 'whsec_'
const TOLERANCE_MS = 5 * 60_000 // as in their libraries

export function standardWebhooks(prefixes: readonly string[], toleranceMs = TOLERANCE_MS): Scheme {
  const named = (delivery: Delivery, name: string): string | undefined => {
    const prefix = prefixes.find((each) => delivery.header(`${each}-signature`) !== undefined)
    return prefix && delivery.header(`${prefix}-${name}`)
  }
  return {
    ...hmac(
      {
        algorithm: 'sha256',
        encoding: 'base64',
        signaturesOf: (delivery) => {
          const prefix = prefixes.find((each) => delivery.header(`${each}-signature`) !== undefined)
          return prefix === undefined ? undefined : listedInHeader(`${prefix}-signature`, 'v1,', ' ')(delivery)
        },
        timestamp: { of: (delivery) => named(delivery, 'timestamp'), unitMs: 1000, toleranceMs },
        before: (delivery, timestamp) => `${named(delivery, 'id') ?? ''}.${timestamp}.`,
      },
      keyOf,
    ),
    secretProblem: (secret) =>
      keyOf(secret).length >= KEY_MIN_BYTES && /^[A-Za-z0-9+/]+={0,2}$/.test(behindPrefix(secret))
        ? undefined
        : 'is not a signing secret, which is whsec_ followed by base64',
  }
}

const KEY_MIN_BYTES = 16

export function isSigningSecret(secret: string): boolean {
  return secret.startsWith(SECRET_PREFIX)
}

function behindPrefix(secret: string): string {
  return isSigningSecret(secret) ? secret.slice(SECRET_PREFIX.length) : secret
}

function keyOf(secret: string): Buffer {
  return Buffer.from(behindPrefix(secret), 'base64')
}

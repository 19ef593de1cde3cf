// HubSpot (developers.hubspot.com, "Validating requests"): version 3 is a keyed hash over method, URL, body and time; versions
// 1 and 2, which HubSpot still sends for older features, are plain hashes that begin with the secret.

import { isUtf8 } from 'node:buffer'
import { createHash, timingSafeEqual } from 'node:crypto'

import { decode, hmac, inHeader } from './hmac.ts'
import type { Delivery, HeadVerdict, Scheme } from './scheme.ts'

const HASH_BYTES = 32
const V3 = 'x-hubspot-signature-v3'

const v3 = hmac({
  algorithm: 'sha256',
  encoding: 'base64',
  signaturesOf: inHeader(V3),
  timestamp: {
    of: (delivery) => delivery.header('x-hubspot-request-timestamp'),
    unitMs: 1,
    toleranceMs: 5 * 60_000, // "older than 5 minutes" is to be refused
  },
  before: ({ method, url }) => method + decodeSome(url),
  after: (_, timestamp) => timestamp,
})

export const hubspot: Scheme = {
  withSecret: (secret) => {
    const verifyV3 = v3.withSecret(secret)
    return (delivery, now) =>
      delivery.header(V3) === undefined ? verifyPlain(secret, delivery) : verifyV3(delivery, now)
  },
}

function verifyPlain(secret: string, delivery: Delivery): HeadVerdict {
  const written = delivery.header('x-hubspot-signature')
  if (written === undefined) return { ok: false, reason: 'signature_missing' }
  const signature = decode(written, 'hex', HASH_BYTES)
  if (!signature) return { ok: false, reason: 'signature_malformed' }
  const isV2 = delivery.header('x-hubspot-signature-version') === 'v2'
  return {
    ok: true,
    checkBody: (body) => {
      // A plain hash can be extended without the secret: the appended bytes begin with padding, which is not UTF-8.
      if (!isUtf8(body)) return { ok: false, reason: 'body_malformed' }
      const head = isV2 ? secret + delivery.method + delivery.url : secret
      const expected = createHash('sha256').update(head).update(body).digest()
      return timingSafeEqual(expected, signature) ? { ok: true } : { ok: false, reason: 'signature_wrong' }
    },
  }
}

/** The URL as HubSpot signs it: these characters are decoded, all others stay as they were sent. */
function decodeSome(url: string): string {
  return url.replaceAll(/%(?:3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)/gi, (each) => decodeURIComponent(each))
}

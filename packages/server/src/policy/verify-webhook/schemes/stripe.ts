// Stripe (docs.stripe.com/webhooks/signature): `t=…,v1=…,v1=…,v0=…` in one header.

import { hmac, listedInHeader } from './hmac.ts'

const HEADER = 'stripe-signature'

export const stripe = hmac({
  algorithm: 'sha256',
  encoding: 'hex',
  signaturesOf: listedInHeader(HEADER, 'v1=', ','),
  timestamp: {
    of: (delivery) => listedInHeader(HEADER, 't=', ',')(delivery)?.[0],
    unitMs: 1000,
    toleranceMs: 5 * 60_000, // the default of their libraries
  },
  before: (_, timestamp) => `${timestamp}.`,
})

// A verified token as expressions see it: `actions.ngrok.jwt_validation.tokens`. Pure: no I/O, no clock.

import type { TokenPlace } from './token-places.ts'

/** @param token was verified, so its parts are JSON */
export function tokenResult(token: string, { method, name }: TokenPlace): Record<string, unknown> {
  const [header = '', payload = '', signature = ''] = token.split('.')
  return {
    header: jsonOf(header),
    payload: jsonOf(payload),
    signature,
    location: method,
    location_property: name,
    verified: true,
  }
}

function jsonOf(part: string): unknown {
  return JSON.parse(Buffer.from(part, 'base64url').toString())
}

// The claims and tokens that a session must have for all routes that take it, since a route other than that of the sign-in may
// read other claims. Pure: no I/O, no clock.

import type { OpenidConnectConfig } from '../policy/openid-connect/openid-connect-schema.ts'
import { claimKey } from '../values/claim-name.ts'
import { claimsOf } from './gate/allow.ts'
import type { ScopeNeeds } from './registration/registration.ts'

/** @param configs the sign-ins of all routes that take the session */
export function needsOf(configs: readonly OpenidConnectConfig[]): ScopeNeeds {
  const looksAtEmail = (people: OpenidConnectConfig['allow']): boolean => Boolean(people?.emails ?? people?.domains)
  const readings = configs.flatMap(({ allow, deny }) => [allow, deny].flatMap(claimsOf))
  return {
    claims: new Map(readings.map((reading) => [claimKey(reading), reading])),
    email: configs.some(({ allow, deny }) => looksAtEmail(allow) || looksAtEmail(deny)),
    verifiedEmail: configs.some(
      ({ allow, email_verified }) => looksAtEmail(allow) && email_verified === 'required', // deny checks every address
    ),
    accessToken: configs.some(
      ({ forward_access_token, tells_access_token }) => forward_access_token || tells_access_token,
    ),
  }
}

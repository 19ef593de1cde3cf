// The default name of a sign-in. Pure: no I/O, no clock.

import { createHash } from 'node:crypto'

/** Ten hexadecimal digits that stay the same for one client of one issuer, over restarts and relays. */
export function authIdOf(issuerUrl: string, clientId: string): string {
  return createHash('sha256')
    .update(JSON.stringify([issuerUrl, clientId]))
    .digest('hex')
    .slice(0, 10)
}

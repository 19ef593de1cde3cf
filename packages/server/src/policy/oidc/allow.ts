// Whether a signed-in visitor is among those a route lets in. Evaluated on every request. Pure: no I/O, no clock.

import type { OpenidConnectConfig } from '../../config/config.ts'
import type { Claims } from './claims.ts'

type Allow = NonNullable<OpenidConnectConfig['allow']>

/** Compiles an allow-list once. One match is enough; without a list, everyone whom the provider signs in may pass. */
export function compileAllow(allow: Allow | undefined): (claims: Claims) => boolean {
  if (allow === undefined) return () => true
  const emails = new Set((allow.emails ?? []).map(lowerCase).filter(Boolean))
  const domains = new Set((allow.domains ?? []).map(lowerCase).filter(Boolean))
  const groups = new Set((allow.groups?.any_of ?? []).filter(Boolean))
  const claim = allow.groups?.claim
  return ({ email, groups: memberships }) => {
    if (email) {
      const address = lowerCase(email)
      // The domain is what stands behind the last @; `ada@evil@example.com` is nobody's address.
      const [local, domain, ...more] = address.split('@')
      if (emails.has(address)) return true
      if (local && domain && more.length === 0 && domains.has(domain)) return true
    }
    // A claim may have any name, `constructor` too.
    if (claim === undefined || !Object.hasOwn(memberships, claim)) return false
    return memberships[claim]!.some((group) => groups.has(group))
  }
}

/** ASCII only: `toLowerCase` also turns letters of other scripts, such as the Kelvin sign, into ASCII ones. */
function lowerCase(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase())
}

// The domains under which edges share sessions (`auth_cookie_domain`). Pure: no I/O, no clock.

import type { EdgeConfig } from './edge-config.ts'
import { signInsOf } from './sign-ins.ts'

export function cookieDomainsOf(edges: readonly EdgeConfig[]): ReadonlySet<string> {
  const domains = Array.from(signInsOf(edges), ({ config }) => config.auth_cookie_domain)
  return new Set(domains.filter((domain) => domain !== undefined))
}

/**
 * The first domain whose cookies a host can get or plant: a domain above or below the host, because a page may set
 * cookies for every domain above its own, and they are sent to all hosts below.
 */
export function sharedCookieDomain(host: string, domains: Iterable<string>): string | undefined {
  for (const domain of domains) {
    if (host === domain || host.endsWith(`.${domain}`) || domain.endsWith(`.${host}`)) return domain
  }
  return undefined
}

// The domains under which edges share sessions (`auth_cookie_domain`). Pure: no I/O, no clock.

import type { EdgeConfig, RequestAction } from './edge-config.ts'
import type { OpenidConnectConfig } from '../policy/openid-connect/openid-connect-schema.ts'

export function cookieDomainsOf(edges: readonly EdgeConfig[]): ReadonlySet<string> {
  const actions = edges.flatMap(({ routes }) =>
    routes.flatMap(({ policy }) => policy.on_http_request.flatMap((rule) => rule.actions)),
  )
  const domains = actions.flatMap(signInsOf).map((signIn) => signIn.auth_cookie_domain)
  return new Set(domains.filter((domain) => domain !== undefined))
}

/**
 * The first domain whose cookies a host can get or plant: one that it lies under, or that lies under it, since a page may
 * set cookies for every domain above its own, and they are sent to all hosts below.
 */
export function sharedCookieDomain(host: string, domains: Iterable<string>): string | undefined {
  for (const domain of domains) {
    if (host === domain || host.endsWith(`.${domain}`) || domain.endsWith(`.${host}`)) return domain
  }
  return undefined
}

function signInsOf(action: RequestAction): OpenidConnectConfig[] {
  if (action.type === 'any-of') return action.config.actions.flatMap(signInsOf)
  if (action.type !== 'openid-connect') return []
  return [action.config, ...(action.config.alternatives ?? [])]
}

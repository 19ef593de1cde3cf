// How long claims, and a token for apps, count as current before the provider is asked again. Pure: takes the clock.

import type { Registration } from '../registration/registration.ts'

const SHORTEST_MS = 60_000
const LONGEST_MS = 3_600_000
const SHORTEST_CONFIGURED_MS = 10_000
const TOKEN_SLACK_MS = 30_000

/**
 * `userinfo_refresh_interval`, or else the life of the ID token, between a minute and an hour. If apps get the access
 * token, a new one comes a little before it expires. Returns milliseconds.
 */
export function freshFor(
  { exp }: { exp?: number | undefined },
  { config, needs }: Pick<Registration, 'config' | 'needs'>,
  { expires_in }: { expires_in?: number | undefined },
  now: number,
): number {
  const configured = config.userinfo_refresh_interval
  const claims =
    configured === undefined
      ? Math.min(Math.max((exp ?? 0) * 1000 - now, SHORTEST_MS), LONGEST_MS)
      : Math.max(configured, SHORTEST_CONFIGURED_MS)
  if (!needs.accessToken || expires_in === undefined) return claims
  return Math.min(claims, Math.max(expires_in * 1000 - TOKEN_SLACK_MS, SHORTEST_CONFIGURED_MS))
}

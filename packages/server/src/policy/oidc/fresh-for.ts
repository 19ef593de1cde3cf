// How long claims are taken for true before the provider is asked again. Pure: takes the clock.

const SHORTEST_MS = 60_000
const LONGEST_MS = 3_600_000
const SHORTEST_CONFIGURED_MS = 10_000

/**
 * `userinfo_refresh_interval`, or else as long as the provider itself stands by the ID token, between a minute and an
 * hour. Answers in milliseconds.
 */
export function freshFor(
  { exp }: { exp?: number | undefined },
  { userinfo_refresh_interval: configured }: { userinfo_refresh_interval?: number },
  now: number,
): number {
  if (configured !== undefined) return Math.max(configured, SHORTEST_CONFIGURED_MS)
  return Math.min(Math.max((exp ?? 0) * 1000 - now, SHORTEST_MS), LONGEST_MS)
}

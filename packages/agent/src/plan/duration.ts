// Durations as people write them after a flag. Pure.

const UNIT_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const

/**
 * Reads `10s`, `500ms`, `1m`, `1h` or a number of seconds. Returns milliseconds, or undefined if it is not a duration.
 */
export function parseDuration(text: string): number | undefined {
  const parts = /^(\d{1,6}(?:\.\d{1,3})?)(ms|s|m|h)?$/.exec(text)
  if (!parts) return undefined
  const unit = (parts[2] ?? 's') as keyof typeof UNIT_MS // the expression admits no other
  return Math.round(Number(parts[1]) * UNIT_MS[unit])
}

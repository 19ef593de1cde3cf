// Durations as people write them. Pure: no I/O, no clock.

const UNIT_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/**
 * Reads `15m`, `8h`, `7d`, `90s`, `500ms` or a number of seconds. Returns milliseconds, or undefined if it is not a
 * duration.
 */
export function parseDuration(written: string | number): number | undefined {
  if (typeof written === 'number')
    return Number.isFinite(written) && written > 0 ? Math.round(written * 1000) : undefined
  const parts = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h|d)?$/.exec(written.trim())
  if (!parts) return undefined
  const unit = (parts[2] ?? 's') as keyof typeof UNIT_MS // the expression admits no other
  const milliseconds = Math.round(Number(parts[1]) * UNIT_MS[unit])
  return milliseconds > 0 ? milliseconds : undefined
}

// Whether a tunnel counts as healthy: it changes after so many contrary checks in a row. Pure: no I/O, no clock.

export interface HealthThresholds {
  /** Passed checks in a row that make an unhealthy tunnel healthy. */
  healthy: number
  /** Failed checks in a row that make a healthy tunnel unhealthy. */
  unhealthy: number
}

export interface HealthRecord {
  healthy: boolean
  /** Checks in a row that contradict `healthy`. */
  against: number
}

/** @param record undefined before the first check, which decides alone, so that a working app serves at once */
export function afterCheck(
  record: HealthRecord | undefined,
  passed: boolean,
  thresholds: HealthThresholds,
): HealthRecord {
  if (!record) return { healthy: passed, against: 0 }
  if (passed === record.healthy) return { healthy: record.healthy, against: 0 }
  const against = record.against + 1
  const enough = record.healthy ? thresholds.unhealthy : thresholds.healthy
  return against >= enough ? { healthy: passed, against: 0 } : { healthy: record.healthy, against }
}

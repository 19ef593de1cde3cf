// How long to wait before the next attempt: doubling, with jitter, so that the agents of a relay that
// restarts do not all return in the same instant. Pure: no timers, no clock.

const FIRST_MS = 500
const LONGEST_MS = 30_000

export class Backoff {
  readonly #random: () => number
  #ceilingMs = FIRST_MS

  constructor(random: () => number = Math.random) {
    this.#random = random
  }

  /**
   * The next wait in milliseconds: between half of the ceiling and the ceiling, never below 500 or above 30 000.
   *
   * @param longestMs a lower limit of the wait for this time
   */
  next(longestMs = LONGEST_MS): number {
    this.#ceilingMs = Math.min(this.#ceilingMs * 2, longestMs)
    return Math.round(this.#ceilingMs * (0.5 + this.#random() / 2))
  }

  /** After a session that lasted, the next wait is a short one again. */
  reset(): void {
    this.#ceilingMs = FIRST_MS
  }
}

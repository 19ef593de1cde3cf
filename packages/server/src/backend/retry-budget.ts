// How many requests of a route may be tried on another tunnel: a fifth of the last ten seconds' requests, plus ten a
// second in any case, so that an outage does not double the load. Pure: the clock is an argument.

const SLICE_MS = 1000
const SLICES = 10
const SHARE = 0.2
const FLOOR = 10 * SLICES

/** For the metrics: the results of all budgets since the start. */
export interface RetryCounts {
  granted: number
  refused: number
}

export class RetryBudget {
  readonly #counts: RetryCounts
  readonly #requests = new Float64Array(SLICES)
  readonly #retries = new Float64Array(SLICES)
  #slice = 0
  #sliceEndsAt = SLICE_MS

  constructor(counts: RetryCounts) {
    this.#counts = counts
  }

  /** Counts a request. @param now monotonic milliseconds */
  count(now: number): void {
    if (now >= this.#sliceEndsAt) this.#turn(now)
    this.#requests[this.#slice]! += 1 // below SLICES
  }

  /** Takes a retry out of the budget, if one is left. @param now monotonic milliseconds */
  take(now: number): boolean {
    if (now >= this.#sliceEndsAt) this.#turn(now)
    if (sum(this.#retries) >= FLOOR + SHARE * sum(this.#requests)) {
      this.#counts.refused += 1
      return false
    }
    this.#counts.granted += 1
    this.#retries[this.#slice]! += 1
    return true
  }

  #turn(now: number): void {
    const passed = Math.min(SLICES, Math.floor((now - this.#sliceEndsAt) / SLICE_MS) + 1)
    for (let step = 0; step < passed; step++) {
      this.#slice = (this.#slice + 1) % SLICES
      this.#requests[this.#slice] = 0
      this.#retries[this.#slice] = 0
    }
    this.#sliceEndsAt = (Math.floor(now / SLICE_MS) + 1) * SLICE_MS
  }
}

function sum(slices: Float64Array): number {
  let total = 0
  for (const count of slices) total += count
  return total
}

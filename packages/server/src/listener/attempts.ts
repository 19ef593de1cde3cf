// Counts failures per address in a sliding minute, so that guessing is slow. Bounded: when too many addresses are
// remembered, the oldest are forgotten. Takes the clock as an argument.

const WINDOW_MS = 60_000
const ADDRESSES_MAX = 50_000

interface Count {
  since: number
  current: number
  previous: number
}

export class Attempts {
  readonly #perMinute: number
  readonly #counts = new Map<string, Count>()

  constructor(perMinute: number) {
    this.#perMinute = perMinute
  }

  /** Whether an address has used up its attempts. */
  isExhausted(address: string, now: number): boolean {
    const count = this.#counts.get(address)
    return count !== undefined && this.#rate(count, now) >= this.#perMinute
  }

  add(address: string, now: number): void {
    const count = this.#counts.get(address) ?? { since: now, current: 0, previous: 0 }
    this.#roll(count, now)
    count.current++
    // Re-inserting keeps the map in the order of last use.
    this.#counts.delete(address)
    this.#counts.set(address, count)
    if (this.#counts.size > ADDRESSES_MAX) {
      const oldest = this.#counts.keys().next()
      if (!oldest.done) this.#counts.delete(oldest.value)
    }
  }

  #rate(count: Count, now: number): number {
    this.#roll(count, now)
    const weight = 1 - (now - count.since) / WINDOW_MS
    return count.current + count.previous * weight
  }

  #roll(count: Count, now: number): void {
    const windows = Math.floor((now - count.since) / WINDOW_MS)
    if (windows <= 0) return
    count.previous = windows === 1 ? count.current : 0
    count.current = 0
    count.since += windows * WINDOW_MS
  }
}

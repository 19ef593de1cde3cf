// Counts the attempts of an address in a sliding minute, so that guessing is slow. A /64 of IPv6 counts as one address.
// Bounded: when too many addresses are
// remembered, the oldest are forgotten. Takes the clock as an argument.

import { networkOf } from './network-of.ts'

const WINDOW_MS = 60_000
const ADDRESSES_MAX = 50_000

interface Count {
  since: number
  current: number
  previous: number
}

/** How processes that count together tell each other about attempts. */
export interface AttemptSharing {
  /** @param of the kind of attempts */
  tell(of: string, address: string): void
  listen(of: string, listener: (address: string) => void): void
}

export class Attempts {
  readonly #perMinute: number
  readonly #counts = new Map<string, Count>()

  readonly #tell: ((address: string) => void) | undefined

  /** @param tell called with every attempt that is counted here first, for other processes that count the same */
  constructor(perMinute: number, tell?: (address: string) => void) {
    this.#perMinute = perMinute
    this.#tell = tell
  }

  /** Whether an address has used up its attempts. */
  isExhausted(address: string, now: number): boolean {
    const count = this.#counts.get(networkOf(address))
    return count !== undefined && this.#rate(count, now) >= this.#perMinute
  }

  /** Counts one attempt, unless they are used up; returns whether it may continue. */
  take(address: string, now: number): boolean {
    if (this.isExhausted(address, now)) return false
    this.add(address, now)
    return true
  }

  add(address: string, now: number): void {
    this.hear(address, now)
    this.#tell?.(address)
  }

  /** Counts an attempt at another process. */
  hear(address: string, now: number): void {
    const network = networkOf(address)
    const count = this.#counts.get(network) ?? { since: now, current: 0, previous: 0 }
    this.#roll(count, now)
    count.current++
    // Re-inserting keeps the map in the order of last use.
    this.#counts.delete(network)
    this.#counts.set(network, count)
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

// Counts the attempts of an address in a sliding minute, so that guessing is slow. A /64 of IPv6 counts as one address.
// If there are too many addresses, it forgets the least busy of the oldest. Takes the clock as an argument.

import { CounterRoom, type SlidingCounter } from './counting/sliding-counters.ts'
import { networkOf } from './visitor/network-of.ts'

const WINDOW_MS = 60_000
const ADDRESSES_MAX = 50_000

/** How processes that count together report attempts to each other. */
export interface AttemptSharing {
  /** @param of the kind of attempts */
  tell(of: string, address: string): void
  listen(of: string, listener: (address: string) => void): void
}

export class Attempts {
  readonly #perMinute: number
  readonly #counter: SlidingCounter = new CounterRoom(ADDRESSES_MAX).counter(WINDOW_MS)
  readonly #tell: ((address: string) => void) | undefined

  /** @param tell called with every attempt that this process counts first, to report it to the other processes */
  constructor(perMinute: number, tell?: (address: string) => void) {
    this.#perMinute = perMinute
    this.#tell = tell
  }

  /** Whether an address has used up its attempts. */
  isExhausted(address: string, now: number): boolean {
    return this.#counter.rate(networkOf(address), now) >= this.#perMinute
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

  /** Counts an attempt that another process has reported. */
  hear(address: string, now: number): void {
    this.#counter.add(networkOf(address), now)
  }
}

// How often one address may try something within a minute. A fixed window, so that its memory is bounded and cheap.

import { isIPv6 } from 'node:net'

const WINDOW_MS = 60_000
const MAX_ADDRESSES = 100_000

export class Attempts {
  readonly #perMinute: number
  readonly #clock: () => number
  readonly #counts = new Map<string, number>()
  #windowEnds = 0

  constructor(perMinute: number, clock: () => number) {
    this.#perMinute = perMinute
    this.#clock = clock
  }

  /** Counts one attempt and says whether it may go on. */
  take(address: string): boolean {
    const now = this.#clock()
    if (now >= this.#windowEnds || this.#windowEnds - now > WINDOW_MS) {
      this.#counts.clear()
      this.#windowEnds = now + WINDOW_MS
    }
    const key = networkOf(address)
    const count = (this.#counts.get(key) ?? 0) + 1
    // Full: whoever is not counted yet waits for the next window. Those who are go on as before.
    if (count === 1 && this.#counts.size >= MAX_ADDRESSES) return false
    this.#counts.set(key, count)
    return count <= this.#perMinute
  }
}

/** One subscriber commonly holds a whole /64 of IPv6. */
function networkOf(address: string): string {
  if (!isIPv6(address)) return address
  const [front = '', back] = address.split('::')
  const head = front.split(':').filter(Boolean)
  const tail = back === undefined ? [] : back.split(':').filter(Boolean)
  const full = back === undefined ? head : [...head, ...Array<string>(8 - head.length - tail.length).fill('0'), ...tail]
  return `${full.slice(0, 4).join(':')}::/64`
}

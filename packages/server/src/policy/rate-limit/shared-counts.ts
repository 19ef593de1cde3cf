// Rate limits of several workers count together: each worker tells the others a few times a second what has passed there.
// Until they have heard it they may let more through. What does not fit into a message waits for the next one.

import { hash } from 'node:crypto'

import type { SlidingCounter } from '../../exchange/counting/sliding-counters.ts'

const TELL_INTERVAL_MS = 200
const TOLD_MAX = 1000 // buckets in one message: some 100 KB
const WAITING_MAX = 10_000 // requests of further buckets count only here

/** Requests that have passed: by limit, and for each of its buckets the key and the number. */
export type PassedCounts = readonly (readonly [limit: string, buckets: readonly (readonly [string, number])[]])[]

/** How workers tell each other. */
export interface CountSharing {
  tell(passed: PassedCounts): void
  listen(listener: (passed: PassedCounts) => void): void
}

type Counter = Pick<SlidingCounter, 'take' | 'add' | 'close'>

export class SharedCounts {
  readonly #sharing: CountSharing
  readonly #counters = new Map<string, Counter>()
  /** What the other workers do not know yet, by limit and key; the limit that has waited longest is first. */
  readonly #waiting = new Map<string, Map<string, number>>()
  #waitingSize = 0
  #isTimed = false

  constructor(sharing: CountSharing, clock: () => number) {
    this.#sharing = sharing
    sharing.listen((passed) => this.#hear(passed, clock()))
  }

  /**
   * Lets the counter of a limit count together with those of the same limit at other workers.
   * @returns the counter for the action: it also notes what the others must hear
   */
  share(name: string, counter: Counter): Pick<Counter, 'take' | 'close'> {
    const limit = hash('sha256', name, 'base64url') // names contain whole expressions
    this.#counters.set(limit, counter)
    return {
      take: (key, capacity, now) => {
        const waitMs = counter.take(key, capacity, now)
        if (waitMs === 0) this.#note(limit, key)
        return waitMs
      },
      close: () => {
        this.#counters.delete(limit)
        counter.close()
      },
    }
  }

  #note(limit: string, key: string): void {
    const buckets = this.#waiting.get(limit) ?? new Map<string, number>()
    const count = buckets.get(key)
    if (count === undefined) {
      if (this.#waitingSize >= WAITING_MAX) return
      this.#waitingSize++
      this.#waiting.set(limit, buckets)
    }
    buckets.set(key, (count ?? 0) + 1)
    if (!this.#isTimed) this.#tellLater()
  }

  #tellLater(): void {
    this.#isTimed = true
    setTimeout(() => this.#tell(), TELL_INTERVAL_MS).unref()
  }

  #tell(): void {
    const passed: [string, [string, number][]][] = []
    let room = TOLD_MAX
    for (const [limit, buckets] of this.#waiting) {
      const told = [...buckets].slice(0, room)
      passed.push([limit, told])
      for (const [key] of told) buckets.delete(key)
      this.#waiting.delete(limit)
      room -= told.length
      if (buckets.size > 0) this.#waiting.set(limit, buckets) // behind the other limits; there is no room left now
      if (room === 0) break
    }
    this.#waitingSize -= TOLD_MAX - room
    this.#isTimed = false
    if (this.#waitingSize > 0) this.#tellLater()
    this.#sharing.tell(passed)
  }

  #hear(passed: PassedCounts, now: number): void {
    for (const [limit, buckets] of passed) {
      const counter = this.#counters.get(limit) // its edge may not have come to this worker yet
      for (const [key, count] of buckets) counter?.add(key, now, count)
    }
  }
}

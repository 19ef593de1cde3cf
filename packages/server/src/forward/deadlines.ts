// Deadlines of everything that is being forwarded: one coarse timer for all instead of one timer each,
// so that the common request sets a number and never touches a timer.

const TICK_MS = 500

export interface Watched {
  /** Where it stands among the watched; -1 where it does not. Kept by Deadlines. */
  place: number
  /** Called every tick with the monotonic time in ms; looks at its own progress and acts. */
  tick(now: number): void
}

/**
 * An array in which everything knows its place, not a Set: a Set that is filled and emptied all the time makes a new
 * table again and again, and each old table keeps the next one alive until a full collection. So everything that was
 * ever watched would outlive its youth (measured: 7 of 40 MB in each collection of the young generation).
 */
export class Deadlines {
  readonly #watched: Watched[] = []
  readonly #timer: NodeJS.Timeout

  constructor() {
    this.#timer = setInterval(() => this.#tick(), TICK_MS)
    this.#timer.unref()
  }

  add(watched: Watched): void {
    if (watched.place !== -1) return
    watched.place = this.#watched.push(watched) - 1
  }

  remove(watched: Watched): void {
    if (watched.place === -1) return
    const last = this.#watched.pop()! // at least the one that leaves is there
    if (last !== watched) {
      last.place = watched.place
      this.#watched[watched.place] = last
    }
    watched.place = -1
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #tick(): void {
    const now = performance.now()
    for (const watched of this.#watched.slice()) if (watched.place !== -1) watched.tick(now) // a tick may end others
  }
}

// Deadlines of all transfers: one coarse timer for all instead of one for each, so that the common request sets a
// number and never touches a timer.

import type { Bordered } from '../../exchange/border.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import { Roster } from '../../exchange/roster.ts'
import type { Listed } from '../../exchange/roster.ts'

const TICK_MS = 500

/** If an answer has begun and is then silent for this time, it counts as a stream of events, whatever its type. */
export const LASTING_AFTER_MS = 5000

/** If a stream gets no reply for this time, its session must prove that it is alive. */
export const PROBE_AFTER_MS = 2000

export interface Watched extends Listed, Bordered {
  /** The exchange that it transfers; undefined for a connection. */
  readonly exchange?: Exchange
  /** Called every tick with the monotonic time in ms; checks its own progress and acts. */
  tick(now: number): void
}

export class Deadlines {
  readonly #watched = new Roster<Watched>()
  readonly #timer: NodeJS.Timeout

  constructor() {
    this.#timer = setInterval(() => this.#tick(), TICK_MS)
    this.#timer.unref()
  }

  add(watched: Watched): void {
    this.#watched.add(watched)
  }

  remove(watched: Watched): void {
    this.#watched.delete(watched)
  }

  /** The exchanges that are being transferred. */
  *exchanges(): Generator<Exchange> {
    for (const { exchange } of this.#watched) if (exchange) yield exchange
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #tick(): void {
    const now = performance.now()
    for (const watched of this.#watched) {
      try {
        watched.tick(now)
      } catch (error) {
        watched.fault(error) // the others still get their turn
      }
    }
  }
}

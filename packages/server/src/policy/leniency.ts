// Logs requests that pass only because of `enforce: false`: one line at once, and then at most one a minute, with their
// number.

import type { Logger } from '../log.ts'

const LINE_INTERVAL_MS = 60_000
const PLACES_MAX = 10_000 // edges of agents come and go; when there are more, the one logged longest ago is forgotten

export interface Lenience {
  readonly edgeId: string
  readonly action: string
  /** For the log: why it would have been refused. */
  readonly detail: string
}

interface Place {
  toldAt: number
  untold: number
}

export class Leniency {
  readonly #log: Pick<Logger, 'warn'>
  readonly #clock: () => number
  readonly #places = new Map<string, Place>()

  constructor(log: Pick<Logger, 'warn'>, clock: () => number) {
    this.#log = log
    this.#clock = clock
  }

  note({ edgeId, action, detail }: Lenience): void {
    const key = `${edgeId} ${action}`
    const now = this.#clock()
    const place = this.#places.get(key) ?? { toldAt: -Infinity, untold: 0 }
    place.untold++
    if (now - place.toldAt < LINE_INTERVAL_MS) return
    this.#log.warn({ edgeId, action, detail, passed: place.untold }, 'passed, because enforce is false')
    place.toldAt = now
    place.untold = 0
    this.#places.delete(key)
    this.#places.set(key, place)
    if (this.#places.size <= PLACES_MAX) return
    const [oldest] = this.#places.keys()
    if (oldest !== undefined) this.#places.delete(oldest)
  }
}

// The last requests of visitors, for the view on a terminal. It exists only if a view is drawn; without it the agent
// parses no byte that it carries. It decides nothing: its data go only to the screen.

import type { Duplex } from 'node:stream'

import { ExchangeReader } from './exchange-reader.ts'
import type { SeenRequest } from './seen-request.ts'

const KEPT = 10

export class RecentRequests {
  /** Since the start. */
  total = 0
  /** A ring: the next one replaces the oldest. */
  readonly #ring: SeenRequest[] = []

  /** The last ones, the newest first. */
  get last(): SeenRequest[] {
    const next = this.total % KEPT
    return [...this.#ring.slice(next), ...this.#ring.slice(0, next)].toReversed()
  }

  /**
   * Follows the bytes of a stream of HTTP/1.1, beside the code that carries them.
   * @param app undefined without an app, so that no answer will come
   */
  watch(stream: Duplex, app: Duplex | undefined): void {
    const reader = new ExchangeReader((request) => this.#add(request))
    stream.on('data', (chunk: Buffer) => reader.readRequest(chunk))
    app?.on('data', (chunk: Buffer) => reader.readAnswer(chunk))
  }

  #add(request: SeenRequest): void {
    // An unanswered request that the relay tries again here is the same request.
    const isAgain = ({ id, status }: SeenRequest): boolean =>
      id !== undefined && id === request.id && status === undefined
    const again = this.#ring.findIndex(isAgain)
    if (again >= 0) {
      this.#ring[again] = request
      return
    }
    this.#ring[this.total % KEPT] = request
    this.total += 1
  }
}

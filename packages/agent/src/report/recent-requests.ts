// The last requests of visitors, for who looks at a terminal. There is one only where a view is drawn; without it the agent
// looks at no byte of what it carries. It decides nothing: what it reads goes to the screen and nowhere else.

import type { Duplex } from 'node:stream'

import { ExchangeReader } from './exchange-reader.ts'
import type { SeenRequest } from './seen-request.ts'

const KEPT = 10

export class RecentRequests {
  /** Since the start. */
  total = 0
  /** A ring: the next one takes the place of the oldest. */
  readonly #ring: SeenRequest[] = []

  /** The last ones, the newest first. */
  get last(): SeenRequest[] {
    const next = this.total % KEPT
    return [...this.#ring.slice(next), ...this.#ring.slice(0, next)].toReversed()
  }

  /**
   * Follows what goes over a stream of HTTP/1.1, beside whoever carries it.
   * @param app undefined where there is none, so that no answer will come
   */
  watch(stream: Duplex, app: Duplex | undefined): void {
    const reader = new ExchangeReader((request) => this.#add(request))
    stream.on('data', (chunk: Buffer) => reader.readRequest(chunk))
    app?.on('data', (chunk: Buffer) => reader.readAnswer(chunk))
  }

  #add(request: SeenRequest): void {
    // One that nobody has answered, and that the relay tries again here, is the same request.
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

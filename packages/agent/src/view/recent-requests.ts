// The last requests of visitors, for who looks at a terminal. There is one only where a view is drawn; without it the agent
// looks at no byte of what it carries. It decides nothing: what it reads goes to the screen and nowhere else.

import type { Duplex } from 'node:stream'

import { ExchangeReader } from './exchange-reader.ts'

/** One request as it is by now. Everything in it comes from outside. */
export interface SeenRequest {
  /** What the relay calls it, also when it tries again; undefined where an older relay has no name for it. */
  id?: string | undefined
  /** When it came. Milliseconds since the epoch. */
  at: number
  method: string
  /** Without the query, in which may be what nobody should read over a shoulder. */
  path: string
  /** Undefined as long as there is no answer. */
  status: number | undefined
  /** From its head to the last byte of the answer so far; undefined as long as there is none. */
  ms: number | undefined
}

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

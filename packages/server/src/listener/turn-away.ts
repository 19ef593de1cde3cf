// Answers visitors for whom the relay has no place, not even on trial. One prepared answer names the limit; the relay
// knows nothing about the visitor yet.

import type { Socket } from 'node:net'

import type { LimitName } from '../config/config.ts'
import { RelayError } from '../errors.ts'
import { rawAnswer } from './http1/raw-answer.ts'

/**
 * How long a visitor may take to read the answer: if the connection were closed at once, a reset would often destroy
 * the answer.
 */
const FAREWELL_MS = 500

// RFC 8446 6.2: internal_error is "unrelated to the peer or the correctness of the protocol (such as a memory allocation
// failure)". Before any key is agreed an alert travels in the clear: type 21, TLS 1.2, two bytes, fatal, 80.
const TLS_ALERT = Buffer.from([21, 3, 3, 0, 2, 2, 80])

/** The error for a visitor whom a limit keeps out. */
export function limitError(limit: LimitName): RelayError {
  const code = limit === 'visitor_connections_per_address' ? 'too_many_connections' : 'relay_full'
  return new RelayError(code, { limit, headers: { 'retry-after': '5' } })
}

export class TurnAway {
  readonly #isTls: boolean
  readonly #leavingMax: number
  readonly #words = new Map<LimitName, Buffer>()
  #leaving = 0

  /** @param leavingMax how many connections may be leaving at once */
  constructor(isTls: boolean, leavingMax: number) {
    this.#isTls = isTls
    this.#leavingMax = leavingMax
  }

  tell(socket: Socket, limit: LimitName): void {
    socket.on('error', () => {}) // the visitor does not wait for the answer
    if (this.#leaving >= this.#leavingMax) return void socket.destroy()
    this.#leaving++
    const timer = setTimeout(() => socket.destroy(), FAREWELL_MS)
    socket.on('close', () => {
      clearTimeout(timer)
      this.#leaving--
    })
    socket.end(this.#isTls ? TLS_ALERT : this.#wordFor(limit))
    socket.resume() // unread bytes would turn the end into a reset
  }

  #wordFor(limit: LimitName): Buffer {
    let word = this.#words.get(limit)
    if (!word) this.#words.set(limit, (word = Buffer.from(rawAnswer(limitError(limit)))))
    return word
  }
}

// How those hear of a limit for whom there is no place, not even on trial: the one word that can be said before anything is
// known of them.

import type { Socket } from 'node:net'

import type { LimitName } from '../config/config.ts'
import { RelayError } from '../errors.ts'
import { rawAnswer } from './http1/raw-answer.ts'

/** How long one that was turned away may take to read why: closed at once, it would often lose it to a reset. */
const FAREWELL_MS = 500

// RFC 8446 6.2: internal_error is "unrelated to the peer or the correctness of the protocol (such as a memory allocation
// failure)". Before any key is agreed an alert travels in the clear: type 21, TLS 1.2, two bytes, fatal, 80.
const TLS_ALERT = Buffer.from([21, 3, 3, 0, 2, 2, 80])

/** What a visitor is told whom a limit keeps out. */
export function limitError(limit: LimitName): RelayError {
  const code = limit === 'visitor_connections_per_address' ? 'too_many_connections' : 'relay_full'
  return new RelayError(code, { limit, headers: { 'retry-after': '5' } })
}

export class TurnAway {
  readonly #isTls: boolean
  readonly #leavingMax: number
  readonly #words = new Map<LimitName, Buffer>()
  #leaving = 0

  /** @param leavingMax how many may be on their way out at once */
  constructor(isTls: boolean, leavingMax: number) {
    this.#isTls = isTls
    this.#leavingMax = leavingMax
  }

  tell(socket: Socket, limit: LimitName): void {
    socket.on('error', () => {}) // it does not wait to hear why
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

// Connections that have had their last answer, while their visitors may still be sending.

import type { Socket } from 'node:net'

import { linger } from './linger.ts'

// How long visitors who still send have to read their answer, when the relay waits for nothing else.
const LAST_WORDS_MS = 500

export class LastWords {
  readonly #lingering = new Set<Socket>()

  /** Half-closes a connection, and keeps reading for a limited time. */
  linger(socket: Socket): void {
    this.#lingering.add(socket)
    socket.once('close', () => this.#lingering.delete(socket))
    linger(socket)
  }

  /** Resolves when all of them are gone, or after a moment, which ends them. */
  async over(): Promise<void> {
    if (this.#lingering.size === 0) return
    const gone = [...this.#lingering].map((socket) => new Promise((resolve) => socket.once('close', resolve)))
    const timer = setTimeout(() => {
      for (const socket of this.#lingering) socket.destroy()
    }, LAST_WORDS_MS)
    await Promise.all(gone)
    clearTimeout(timer)
  }
}

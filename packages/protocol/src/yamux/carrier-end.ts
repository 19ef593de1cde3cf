// How a session parts with its carrier: it closes, the peer may answer, and a peer that does not is cut off.

import type { Carrier } from './carrier.ts'

const HANDSHAKE_MS = 1_000 // for the peer to answer the close; then the connection is cut

export class CarrierEnd {
  readonly #carrier: Carrier
  #isGone = false
  #timer: NodeJS.Timeout | undefined
  #onGone: (() => void) | undefined

  constructor(carrier: Carrier) {
    this.#carrier = carrier
  }

  /** Closes with a code and a reason, as WebSockets have them (RFC 6455 7.4). Nothing happens if the carrier is gone. */
  close(code: number, reason: string): void {
    if (this.#isGone) return
    this.#timer = setTimeout(() => this.#carrier.destroy(), HANDSHAKE_MS)
    this.#timer.unref()
    this.#carrier.close(code, reason)
  }

  /** The carrier is gone, for whatever reason. */
  markGone(): void {
    this.#isGone = true
    clearTimeout(this.#timer)
    this.#onGone?.()
  }

  /** Resolves when the carrier is gone. Asked once. */
  async gone(): Promise<void> {
    if (!this.#isGone) await new Promise<void>((resolve) => (this.#onGone = resolve))
  }
}

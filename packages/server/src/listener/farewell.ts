// How a listener stops. It keeps serving until no more visitors come, and only then refuses new connections.

import type { Socket } from 'node:net'
import { Server as NetServer } from 'node:net'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'

// How long visitors have to come, and to send another request on a kept connection …
const FAREWELL_MS = 1000
// … and how long if none does: busy visitors send several requests a second.
const QUIET_MS = 100
const LOOK_MS = 10
// A connection that comes between the last look at the system's queue and the close is cut, so the last turn has to be short: an
// idle turn of the event loop takes about 0.01 ms.
const SHORT_TURN_MS = 0.02
const LONGER_EACH_TURN = 1.05 // a busy relay, or one on a busy machine, has no turns that are so short
// The system's queue of connections that were not accepted yet: node:net asks for 511, and Linux adds one.
const QUEUE_MAX = 512

export class Farewell {
  readonly #server: NetServer
  /** How many exchanges have begun so far. */
  readonly #begun: () => number
  /** How many connections have come during the farewell. */
  #arrivedLate = 0
  /** Connections among these without a request yet, by their peer. */
  readonly #late = new Set<string>()

  constructor(server: NetServer, begun: () => number) {
    this.#server = server
    this.#begun = begun
  }

  /**
   * Resolves when no connection or request has come for a moment, and the server takes no new connections. When an idle
   * connection is closed, a request may already be on its way. The visitor then sees a request that was cut, and can
   * repeat only a GET. Connections in the system's queue are also cut when the listening socket closes, and have often
   * sent a request already.
   */
  async say(): Promise<void> {
    this.#server.prependListener('connection', this.#onLateConnection)
    await this.#quiet()
    await this.#queueEmpty()
    NetServer.prototype.close.call(this.#server) // node:http's own close cuts idle and new connections
    // It counts checks instead of milliseconds, because on a busy machine the relay itself may not have read the
    // requests yet.
    for (let looks = FAREWELL_MS / LOOK_MS; looks > 0 && this.#late.size > 0; looks--) await sleep(LOOK_MS)
  }

  /** A visitor has sent a request on this connection. */
  hasAsked(socket: Socket): void {
    if (this.#late.size > 0) this.#late.delete(peerOf(socket))
  }

  readonly #onLateConnection = (socket: Socket): void => {
    const peer = peerOf(socket)
    this.#arrivedLate++
    this.#late.add(peer)
    socket.once('close', () => this.#late.delete(peer))
  }

  /** Until no connection or request has come for a moment. */
  async #quiet(): Promise<void> {
    const end = performance.now() + FAREWELL_MS
    let seen: number
    do {
      seen = this.#begun() + this.#arrivedLate
      await sleep(QUIET_MS)
    } while (this.#begun() + this.#arrivedLate > seen && performance.now() < end && this.#server.listening)
  }

  /**
   * Until a turn of the event loop has brought no connection: libuv takes one out of the system's queue in each turn.
   * All connections in the queue are served, however long that takes on a busy machine; if they come faster than they
   * are taken, this stops after so many. The deadline of the whole end closes the server, and ends this as well.
   */
  async #queueEmpty(): Promise<void> {
    const last = this.#arrivedLate + QUEUE_MAX
    let shortMs = SHORT_TURN_MS
    let now = performance.now()
    while (this.#arrivedLate < last && this.#server.listening) {
      const arrived = this.#arrivedLate
      await nextTurn()
      const before = now
      now = performance.now()
      if (this.#arrivedLate > arrived) continue
      if (now - before < shortMs) return
      shortMs *= LONGER_EACH_TURN
    }
  }
}

function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`
}

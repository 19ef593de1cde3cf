// How a listener says goodbye: it goes on serving until nobody comes any more, and only then takes no new connections.

import type { Socket } from 'node:net'
import { Server as NetServer } from 'node:net'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'

// Visitors get so long to come, and to ask once more on a connection that they keep alive …
const FAREWELL_MS = 1000
// … and less if nobody does: visitors in a hurry ask several times a second.
const QUIET_MS = 100
const LOOK_MS = 10
// A turn of the event loop in which this much else was done says little of who has come meanwhile.
const SHORT_TURN_MS = 0.2
const LONGER_EACH_TURN = 1.1 // a busy relay, or one on a busy machine, has no shorter ones
// What the system holds of connections that nobody has taken: node:net asks for 511, and Linux takes one more.
const QUEUE_MAX = 512

export class Farewell {
  readonly #server: NetServer
  /** How many exchanges have begun so far. */
  readonly #begun: () => number
  /** How many connections have come during the farewell. */
  #arrivedLate = 0
  /** Those of them that have not asked yet, by their peer. */
  readonly #late = new Set<string>()

  constructor(server: NetServer, begun: () => number) {
    this.#server = server
    this.#begun = begun
  }

  /**
   * Resolves when nobody has come or asked for a moment, and the server takes no new connections. Closed while it rests, a
   * connection could meet a request half-way, which looks to the visitor as if it had been cut, and only a GET can be
   * repeated. Whoever stands in the system's queue when the listening socket closes is cut as well, and has often asked already.
   */
  async say(): Promise<void> {
    this.#server.prependListener('connection', this.#onLateConnection)
    await this.#quiet()
    await this.#queueEmpty()
    NetServer.prototype.close.call(this.#server) // that of node:http ends at once what rests, and what has just come
    // Looks are counted, not milliseconds: on a busy machine it is we who have not read yet what they ask.
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

  /** Until nobody has come or asked for a moment. */
  async #quiet(): Promise<void> {
    const end = performance.now() + FAREWELL_MS
    let seen: number
    do {
      seen = this.#begun() + this.#arrivedLate
      await sleep(QUIET_MS)
    } while (this.#begun() + this.#arrivedLate > seen && performance.now() < end && this.#server.listening)
  }

  /**
   * Until a turn of the event loop has brought nobody: libuv takes one connection out of the system's queue in each. Whoever
   * stood in it is served, however long that takes on a busy machine; who comes faster than we take them leaves no other
   * choice than to stop after so many. The deadline of the whole end closes the server, and ends this as well.
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

// Kept-alive connections to apps, per tunnel, last in first out: the warmest is the least likely to be stale.
// Only exchanges that may be repeated use them (RULES.md "Forwarding").

import type { OnFault } from '../../exchange/border.ts'
import type { Lane, Tunnel } from '../../tunnel/tunnel.ts'
import type { Deadlines, Watched } from '../transfer/deadlines.ts'
import type { Http1Connection } from './http1-connection.ts'

const WARMEST = 8
// So many are kept of the streams that were opened because their request could not use a kept one (a POST): more are
// not needed, and each costs the app a connection, which may be a thread of its own.
const SPARES = 8

export interface Http1PoolInit {
  maxIdlePerTunnel: number
  maxIdleMs: number
  onFault: OnFault
}

export class Http1Pool implements Watched {
  place = -1
  readonly #init: Http1PoolInit
  readonly #idle = new Map<Tunnel, Http1Connection[]>()

  constructor(init: Http1PoolInit, deadlines: Deadlines) {
    this.#init = init
    deadlines.add(this)
  }

  /**
   * The warmest idle connection of a tunnel on a usable lane, if any. Among the warmest few it prefers a lane on which
   * a message leaves in this turn anyway: so an agent with several connections costs no more than with one.
   */
  take(tunnel: Tunnel): Http1Connection | undefined {
    const idle = this.#idle.get(tunnel)
    if (!idle) return undefined
    const end = idle.length - 1
    for (let index = end; index >= 0 && index > end - WARMEST; index--) {
      const connection = idle[index]! // within the list
      if (!connection.lane.isGathering || !connection.lane.isBest) continue
      const warmest = idle.pop()! // it moves to the place of the leaving one, which is nearly as warm
      if (warmest !== connection) idle[index] = warmest
      return connection
    }
    if (idle[end]?.lane.isBest) return idle.pop()
    const index = idle.findLastIndex(({ lane }) => lane.isBest)
    return index === -1 ? undefined : idle.splice(index, 1)[0]
  }

  /**
   * Keeps a connection whose exchange is complete in both directions.
   * @param isSpare whether the exchange would have opened it even with others idle
   */
  put(connection: Http1Connection, isSpare: boolean): void {
    const { tunnel, lane } = connection
    if (!lane.isBest) {
      connection.destroy()
      return
    }
    let idle = this.#idle.get(tunnel)
    if (!idle) {
      idle = []
      this.#idle.set(tunnel, idle)
      tunnel.onRetire((retired) => this.#drop(tunnel, retired))
    }
    const most = this.#init.maxIdlePerTunnel
    if (idle.length >= (isSpare ? Math.min(SPARES, most) : most)) {
      connection.destroy()
      return
    }
    const resting = idle
    resting.push(connection)
    connection.rest(performance.now(), () => {
      const index = resting.indexOf(connection)
      if (index !== -1) resting.splice(index, 1)
    })
  }

  /** Closes connections that have been idle for too long: the coldest are at the front. */
  tick(now: number): void {
    for (const idle of this.#idle.values()) {
      while (idle[0] && now - idle[0].idleSince > this.#init.maxIdleMs) idle.shift()?.destroy()
    }
  }

  fault(thrown: unknown): void {
    this.#init.onFault(thrown, 'app_connection')
  }

  #drop(tunnel: Tunnel, retired: Lane): void {
    for (const connection of (this.#idle.get(tunnel) ?? []).filter(({ lane }) => lane === retired)) {
      connection.destroy() // it removes itself from the list
    }
    if (tunnel.isGone) this.#idle.delete(tunnel)
  }
}

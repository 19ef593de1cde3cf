// Sends an exchange to one of the tunnels of a route's backend. What both kinds of exchange need stands here once:
// the kept-alive streams, the deadlines, the limits.

import type { Limits, Timeouts } from '../config/config.ts'
import type { RouteBackend } from '../backend/route-backend.ts'
import type { OnFault } from '../exchange/border.ts'
import type { Exchange } from '../exchange/exchange.ts'
import { Deadlines } from './deadlines.ts'
import { Http2Pool } from './http2-pool.ts'
import { forwardRequest } from './http.ts'
import { refuseLoop } from './refuse-loop.ts'
import { StreamPool } from './stream-pool.ts'
import { forwardUpgrade } from './upgrade.ts'

/** What an exchange on its way needs. */
export interface ForwardRoom {
  readonly pool: StreamPool
  readonly http2: Http2Pool
  readonly deadlines: Deadlines
  readonly limits: Limits
  readonly timeouts: Timeouts
  /** For what no exchange is there to tell of. */
  readonly onFault: OnFault
}

export class Forwarder {
  readonly #room: ForwardRoom
  readonly #relayName: string

  /** @param relayName by which this relay knows a request that has passed here before: host and port of `public_url` */
  constructor(limits: Limits, timeouts: Timeouts, relayName: string, onFault: OnFault) {
    this.#relayName = relayName
    const deadlines = new Deadlines()
    const pool = new StreamPool(
      { maxIdlePerTunnel: limits.idle_streams_per_tunnel, maxIdleMs: timeouts.idle_stream_seconds * 1000, onFault },
      deadlines,
    )
    const http2 = new Http2Pool(
      { headMaxBytes: limits.upstream_header_bytes, openDeadlineMs: timeouts.app_reply_seconds * 1000, onFault },
      deadlines,
    )
    this.#room = { pool, http2, deadlines, limits, timeouts, onFault }
  }

  /**
   * Forwards an exchange and resolves when it is over.
   * @throws RelayError, at once or later, where nothing of an answer has reached the visitor yet
   */
  forward(exchange: Exchange, backend: RouteBackend): Promise<void> {
    refuseLoop(exchange, this.#relayName)
    exchange.relayName = this.#relayName
    backend.budget.count(exchange.startedAt)
    return exchange.upgrade
      ? forwardUpgrade(exchange, exchange.upgrade, backend, this.#room)
      : forwardRequest(exchange, backend, this.#room)
  }

  close(): void {
    this.#room.deadlines.close()
  }
}

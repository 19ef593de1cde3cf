// Sends an exchange to one of the tunnels of a route's backend: chooses the kind of transfer, and owns the parts that
// transfers share (kept streams, open connections, deadlines, limits).

import type { Limits, Timeouts } from '../config/config.ts'
import { FixedResponse } from '../backend/fixed-response.ts'
import type { RouteBackend } from '../backend/route-backend.ts'
import type { OnFault } from '../exchange/border.ts'
import type { Exchange } from '../exchange/exchange.ts'
import { Roster } from '../exchange/roster.ts'
import { Http1Pool } from './http1/http1-pool.ts'
import { Http1Transfer } from './http1/http1-transfer.ts'
import type { Http1Parts } from './http1/http1-transfer.ts'
import { Http2Pool } from './http2/http2-pool.ts'
import { Http2Transfer } from './http2/http2-transfer.ts'
import type { Http2Parts } from './http2/http2-transfer.ts'
import { refuseLoop } from './refuse-loop.ts'
import { Deadlines } from './transfer/deadlines.ts'
import type { TransferParts } from './transfer/transfer-parts.ts'
import { UpgradeTransfer } from './upgrade.ts'

export class Forwarder {
  readonly #parts: Http1Parts & Http2Parts
  readonly #relayName: string
  /** When edges have changed, in monotonic milliseconds. */
  #changedAt = -Infinity
  #onLate = (): void => {}

  /**
   * @param relayName the name by which this relay recognises a request that has passed here before: host and port of
   * `public_url`
   */
  constructor(limits: Limits, timeouts: Timeouts, relayName: string, onFault: OnFault) {
    this.#relayName = relayName
    const deadlines = new Deadlines()
    const http1 = new Http1Pool(
      { maxIdlePerTunnel: limits.idle_streams_per_tunnel, maxIdleMs: timeouts.idle_stream_seconds * 1000, onFault },
      deadlines,
    )
    const http2 = new Http2Pool(
      { headMaxBytes: limits.upstream_header_bytes, openDeadlineMs: timeouts.app_reply_seconds * 1000, onFault },
      deadlines,
    )
    const switched: TransferParts['switched'] = new Roster()
    this.#parts = { http1, http2, deadlines, switched, limits, timeouts, onFault, forwardTo: this.#forwardTo }
  }

  /**
   * Forwards an exchange and resolves when it has ended.
   * @throws RelayError, at once or later, if no part of an answer has reached the visitor yet
   */
  forward(exchange: Exchange, backend: RouteBackend): Promise<void> {
    if (exchange.bodyLoss) throw exchange.bodyLoss // an action has let it pass for another reason
    refuseLoop(exchange, this.#relayName)
    exchange.relayName = this.#relayName
    if (exchange.startedAt <= this.#changedAt) this.#onLate()
    backend.budget.count(exchange.startedAt)
    const first = backend.pick(exchange)
    if (!exchange.upgrade) return this.#forwardTo(first, exchange, backend)
    return new UpgradeTransfer(exchange, exchange.upgrade, backend, this.#parts).run(first)
  }

  readonly #forwardTo: TransferParts['forwardTo'] = (first, exchange, backend, tried) => {
    const isHttp2 = first !== undefined && !(first instanceof FixedResponse) && first.upstreamProtocol === 'http2'
    const Kind = isHttp2 ? Http2Transfer : Http1Transfer
    return new Kind(exchange, backend, this.#parts, tried).run(first)
  };

  /** The exchanges that have come as far as their backend and have not ended, including upgraded ones. */
  *underWay(): Generator<Exchange> {
    yield* this.#parts.deadlines.exchanges()
    for (const { exchange } of this.#parts.switched) yield exchange
  }

  /** Edges have changed: their policies may still be at work on exchanges of before, which underWay() does not have yet. */
  noteChange(): void {
    this.#changedAt = performance.now()
  }

  /** Called when an exchange that began before the last change is forwarded. */
  whenLate(listener: () => void): void {
    this.#onLate = listener
  }

  close(): void {
    this.#parts.deadlines.close()
  }
}

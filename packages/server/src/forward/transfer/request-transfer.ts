// The transfer of a request, which may have a body: the same towards apps of every version of HTTP.

import type { RouteBackend } from '../../backend/route-backend.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import type { Tunnel } from '../../tunnel/tunnel.ts'
import type { TransferParts } from './transfer-parts.ts'
import { framingOf } from './headers.ts'
import type { RequestFraming } from './headers.ts'
import { RequestBody } from './request-body.ts'
import type { BodySender } from './request-body.ts'
import { Transfer } from './transfer.ts'

export abstract class RequestTransfer extends Transfer implements BodySender {
  protected readonly framing: RequestFraming
  /** Undefined if the request has none. */
  protected readonly body: RequestBody | undefined

  constructor(exchange: Exchange, backend: RouteBackend, parts: TransferParts, tried?: Set<Tunnel>) {
    super(exchange, backend, parts, tried)
    this.framing = framingOf(exchange)
    if (this.framing.type !== 'none') {
      this.body = new RequestBody(exchange.request, this, parts.limits.request_buffer_bytes)
    }
  }

  abstract sendBody(chunk: Buffer): boolean
  abstract endBody(): void
  abstract onBodyFull(): void

  onBodyMoved(): void {
    this.lastProgress = performance.now()
  }

  /** The app's side takes bytes again. */
  onDrain(): void {
    this.lastProgress = performance.now()
    this.body?.onDrain()
  }

  get wantsNoBody(): boolean {
    return this.isOver || this.answerDone
  }

  protected override get isUnread(): boolean {
    return !this.body?.isStarted
  }

  /** Whether the visitor still sends the request. */
  protected get isSending(): boolean {
    return this.body !== undefined && !this.body.isDone
  }

  /** Whether the transfer waits only for the visitor to send more. */
  protected get waitsForBody(): boolean {
    return this.isSending && !this.body?.waitsForApp
  }

  /** Whether the request has no body and changes nothing. */
  protected get isSafeAndBodiless(): boolean {
    return this.body === undefined && this.exchange.isSafe
  }
}

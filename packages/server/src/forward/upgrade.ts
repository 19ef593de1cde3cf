// An upgrade through a tunnel, to a WebSocket (RFC 6455 4) or a protocol that the route allows (RFC 9110 7.8): the same
// head rules as for a request, and the visitor's bytes wait until the app's valid 101. Any other answer is an ordinary
// response, then close.

import { createHash } from 'node:crypto'

import { splice } from '@sallyport/protocol'
import type { StreamReply } from '@sallyport/protocol'

import type { FixedResponse } from '../backend/fixed-response.ts'
import type { RouteBackend } from '../backend/route-backend.ts'
import { RelayError } from '../errors.ts'
import { WEBSOCKET } from '../exchange/exchange.ts'
import type { Exchange, Upgrade } from '../exchange/exchange.ts'
import type { Tunnel } from '../tunnel/tunnel.ts'
import type { TransferParts } from './transfer/transfer-parts.ts'
import { decideHead, passHead, writeRequestHead } from './transfer/headers.ts'
import type { RequestFraming } from './transfer/headers.ts'
import { lostError, refusedHead } from './transfer/refusal.ts'
import type { ResponseHead } from './transfer/response-head.ts'
import { Transfer } from './transfer/transfer.ts'
import { Http1Connection } from './http1/http1-connection.ts'
import type { Http1Handler } from './http1/http1-connection.ts'

const WEBSOCKET_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11' // RFC 6455 1.3

export class UpgradeTransfer extends Transfer implements Http1Handler {
  readonly #upgrade: Upgrade
  #connection: Http1Connection | undefined

  constructor(exchange: Exchange, upgrade: Upgrade, backend: RouteBackend, parts: TransferParts) {
    super(exchange, backend, parts, undefined, true)
    this.#upgrade = upgrade
    this.lastProgress = performance.now()
  }

  protected override get visitorEnd(): Upgrade['socket'] {
    return this.#upgrade.socket
  }

  /** Of HTTP/2 tunnels, too: `send()` refuses these. */
  protected override speaks(): boolean {
    return true
  }

  protected override send(tunnel: Tunnel): void {
    if (tunnel.upstreamProtocol === 'http2') return this.fail(new RelayError('upgrade_unsupported'))
    const { exchange, parts } = this
    let connection: Http1Connection
    try {
      connection = new Http1Connection(tunnel, exchange.clientIp, parts.limits.upstream_header_bytes, parts.onFault)
    } catch (error) {
      this.noteFailure(tunnel, error as Error) // pickLane and openStream throw only ProtocolError
      return this.attempt() // nothing was sent, so it costs no retry
    }
    this.#connection = connection
    this.enter(tunnel)
    const { method } = exchange
    connection.begin(method, this, true)
    const head = writeRequestHead(exchange, tunnel.hostHeader, framingOf(method), this.#upgrade.protocol)
    connection.stream.write(Buffer.from(head, 'latin1'))
  }

  protected override answerWith(fixed: FixedResponse): void {
    this.exchange.response.on('close', this.onVisitorClose)
    super.answerWith(fixed)
  }

  onReply(reply: StreamReply): void {
    this.lastProgress = performance.now()
    if (reply.ok) return
    const tunnel = this.tunnel! // a reply comes only from the tunnel that has the exchange
    this.proveUnsent()
    this.leave()
    this.noteFailure(tunnel, reply)
    if (!this.isOver) this.attempt(true)
  }

  onUpgrade(head: ResponseHead, rest: Buffer): void {
    if (this.isOver) return
    const problem = this.#problemOf(head)
    if (problem) return this.fail(new RelayError('app_bad_answer', { detail: problem }))
    const decided = decideHead(this.exchange, head, false, this.tunnel)
    if (decided) this.hold(decided, () => this.#switch(head, rest))
    else this.#switch(head, rest)
  }

  #switch(head: ResponseHead, rest: Buffer): void {
    const { socket, head: early } = this.#upgrade
    const { upgrade_idle_seconds: idleSeconds, visitor_stall_seconds: stallSeconds } = this.parts.timeouts
    const { headers } = passHead(this.exchange, head, false, this.tunnel)
    this.noteAnswer(head.status, headers)
    try {
      this.#upgrade.accept(headers, rest, idleSeconds * 1000)
    } catch (error) {
      return this.fail(refusedHead(error))
    }
    this.headSent = true
    this.exchange.hasSwitched = true
    this.parts.deadlines.remove(this)
    this.parts.switched.add(this)
    socket.off('close', this.onVisitorClose)
    const stream = this.#connection!.release() // the connection itself calls this
    if (early.length > 0) stream.write(early)
    // A side that has ended may leave while the other reads nothing, unnoticed: a socket that is not read shows no end.
    // So from here on a shorter deadline applies to a stall.
    const hasten = (): void => this.#upgrade.hasten(stallSeconds * 1000)
    socket.once('end', hasten)
    stream.once('end', hasten)
    void splice(socket, stream).then(() => this.settle()) // splice never rejects
  }

  onHead(head: ResponseHead): void {
    const decided = decideHead(this.exchange, head, false, this.tunnel)
    if (decided) this.hold(decided, () => this.#passOn(head))
    else this.#passOn(head)
  }

  #passOn(head: ResponseHead): void {
    const filtered = passHead(this.exchange, head, false, this.tunnel)
    if (filtered.instead) {
      this.exchange.response.on('close', this.onVisitorClose)
      this.answerInstead(head.status, filtered.instead)
      return this.drop()
    }
    filtered.headers.push('Connection', 'close')
    this.answerHead(head.status, filtered)
  }

  onBody(chunk: Buffer): void {
    if (this.isHolding) return this.keep(() => this.onBody(chunk))
    this.lastProgress = performance.now()
    if (!this.isOver) this.answerBody(chunk)
  }

  onComplete(): void {
    if (this.isHolding) return this.keep(() => this.onComplete())
    const { response } = this.exchange
    this.#connection?.destroy()
    response.on('close', this.onVisitorClose)
    response.end()
  }

  onFed(): void {
    // The head of a refusal leaves with its body.
  }

  onInformation(): void {
    this.lastProgress = performance.now() // interim responses mean nothing to a WebSocket handshake
  }

  onTrailers(): void {
    // A refused upgrade is answered without trailers.
  }

  onDrain(): void {
    // Nothing is sent before the 101; afterwards splice() has the stream.
  }

  onLost(error: Error): void {
    if (this.isOver) return
    if (this.isHolding) return this.keep(() => this.onLost(error))
    const { isConnected, lane } = this.#connection! // the connection itself calls this
    if (isConnected || this.headSent || !this.exchange.isSafe) return this.fail(lostError(error))
    this.leave()
    this.leaveLane(lane, error) // a GET: safe to repeat
  }

  protected override settle(error?: RelayError): void {
    if (this.exchange.hasSwitched) this.parts.switched.delete(this)
    super.settle(error)
  }

  protected override leave(): void {
    super.leave()
    this.#connection = undefined
  }

  protected override drop(): void {
    const connection = this.#connection
    this.leave()
    connection?.destroy()
  }

  protected override get source(): Http1Connection['stream'] | undefined {
    return this.#connection?.stream
  }

  protected override get isUnread(): boolean {
    return false // no other code handles it
  }

  /** The visitor's bytes wait until the app has switched. */
  protected override get isUntouched(): boolean {
    return true
  }

  protected override wait(seconds: number): void {
    const { timeouts } = this.parts
    let limit = timeouts.app_reply_seconds
    if (this.headSent) limit = timeouts.visitor_stall_seconds
    else if (this.#connection?.isConnected) limit = timeouts.app_answer_seconds
    if (seconds > limit) this.fail(new RelayError('app_timeout', { detail: 'no answer to the upgrade' }))
  }

  /** The checks of a client (RFC 9110 7.8, RFC 6455 4.1), so that only the requested protocol ever gets raw bytes. */
  #problemOf(head: ResponseHead): string | undefined {
    const value = (name: string): string | undefined => {
      const index = head.rawHeaders.findIndex((text, i) => i % 2 === 0 && text.toLowerCase() === name)
      return index === -1 ? undefined : head.rawHeaders[index + 1]
    }
    const protocol = this.#upgrade.protocol.toLowerCase()
    if (value('upgrade')?.toLowerCase() !== protocol) return `101 without Upgrade: ${protocol}`
    if (!head.connectionOptions?.has('upgrade')) return '101 without Connection: Upgrade'
    if (protocol !== WEBSOCKET) return undefined
    const key = this.exchange.header('sec-websocket-key') ?? ''
    const accept = createHash('sha1').update(`${key}${WEBSOCKET_GUID}`).digest('base64')
    if (value('sec-websocket-accept') !== accept) return '101 with a wrong Sec-WebSocket-Accept'
    return undefined
  }
}

/** These requests have no body; a POST says so (RFC 9110 8.6). */
function framingOf(method: string): RequestFraming {
  return method === 'GET' ? { type: 'none' } : { type: 'length', length: '0' }
}

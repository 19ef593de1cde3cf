// One upgrade through a tunnel, of a WebSocket (RFC 6455 4) or of what the route allows (RFC 9110 7.8): the same head rules as a request, and the
// visitor's bytes wait until the app's valid 101. Any other answer is an ordinary response, then close.

import { createHash } from 'node:crypto'

import { splice } from '@sallyport/protocol'
import type { StreamReply } from '@sallyport/protocol'

import { FixedResponse } from '../backend/fixed-response.ts'
import type { RouteBackend } from '../backend/route-backend.ts'
import { RelayError } from '../errors.ts'
import { startWithin, within } from '../exchange/border.ts'
import { WEBSOCKET } from '../exchange/exchange.ts'
import type { Exchange, Upgrade } from '../exchange/exchange.ts'
import type { Lane } from '../tunnel/lane.ts'
import type { Tunnel } from '../tunnel/tunnel.ts'
import type { Watched } from './deadlines.ts'
import type { ForwardRoom } from './forwarder.ts'
import { filterResponseHead, writeRequestHead } from './headers.ts'
import type { RequestFraming } from './headers.ts'
import { lostError, noTunnelError, refusedHead } from './refusal.ts'
import type { ResponseHead } from './response-parser.ts'
import { UpstreamConnection } from './upstream-connection.ts'
import type { UpstreamHandler } from './upstream-connection.ts'

const WEBSOCKET_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11' // RFC 6455 1.3

/** Forwards an upgrade; resolves when the upgraded connection is over, or the app's refusal has been passed on. */
export function forwardUpgrade(
  exchange: Exchange,
  upgrade: Upgrade,
  backend: RouteBackend,
  room: ForwardRoom,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const transfer = new UpgradeTransfer(exchange, upgrade, backend, room, resolve, reject)
    startWithin(transfer)
  })
}

class UpgradeTransfer implements UpstreamHandler, Watched {
  place = -1
  readonly #exchange: Exchange
  readonly #upgrade: Upgrade
  readonly #backend: RouteBackend
  readonly #room: ForwardRoom
  readonly #resolve: () => void
  readonly #reject: (error: RelayError) => void
  readonly #onVisitorClose = within(this, () => {
    this.#connection?.destroy()
    this.#settle()
  })

  #connection: UpstreamConnection | undefined
  #tunnel: Tunnel | undefined
  #tried: Set<Tunnel> | undefined
  #lastFailure: StreamReply | Error | undefined
  #headSent = false
  #settled = false
  #lastProgress = performance.now()

  constructor(
    exchange: Exchange,
    upgrade: Upgrade,
    backend: RouteBackend,
    room: ForwardRoom,
    resolve: () => void,
    reject: (error: RelayError) => void,
  ) {
    this.#exchange = exchange
    this.#upgrade = upgrade
    this.#backend = backend
    this.#room = room
    this.#resolve = resolve
    this.#reject = reject
  }

  start(): void {
    const { socket } = this.#upgrade
    socket.once('close', this.#onVisitorClose)
    if (socket.destroyed) return this.#onVisitorClose()
    this.#room.deadlines.add(this)
    this.#attempt()
  }

  /** @param isRetry whether it counts against the retry budget */
  #attempt(isRetry = false): void {
    const tunnel = this.#backend.pick(this.#exchange, this.#tried)
    if (!tunnel) return this.#giveUp()
    if (tunnel instanceof FixedResponse) return this.#answerWith(tunnel)
    if (isRetry && !this.#backend.budget.take(performance.now())) return this.#giveUp()
    if (tunnel.upstreamProtocol === 'http2') return this.#settle(new RelayError('upgrade_unsupported'))
    let connection: UpstreamConnection
    try {
      const { limits, onFault } = this.#room
      connection = new UpstreamConnection(tunnel, this.#exchange.clientIp, limits.upstream_header_bytes, onFault)
    } catch (error) {
      this.#noteFailure(tunnel, error as Error) // pickLane and openStream throw ProtocolError only
      return this.#attempt() // nothing was sent, so it costs no retry
    }
    this.#connection = connection
    this.#tunnel = tunnel
    tunnel.lasting++
    tunnel.lastRequestAt = this.#exchange.startedAt
    this.#exchange.tunnelId = tunnel.id
    const { method } = this.#exchange
    connection.begin(method, this, true)
    const head = writeRequestHead(this.#exchange, tunnel.hostHeader, framingOf(method), this.#upgrade.protocol)
    connection.stream.write(Buffer.from(head, 'latin1'))
  }

  #answerWith(fixed: FixedResponse): void {
    this.#headSent = true
    this.#exchange.response.on('close', this.#onVisitorClose)
    fixed.answer(this.#exchange)
  }

  onReply(reply: StreamReply): void {
    this.#lastProgress = performance.now()
    if (reply.ok) return
    const tunnel = this.#tunnel! // a reply comes from the tunnel that was picked
    this.#leave()
    this.#noteFailure(tunnel, reply)
    if (!this.#settled) this.#attempt(true)
  }

  onUpgrade(head: ResponseHead, rest: Buffer): void {
    if (this.#settled) return
    const connection = this.#connection! // it is the one that calls
    const problem = this.#problemOf(head)
    if (problem) {
      connection.destroy()
      return this.#settle(new RelayError('app_bad_answer', { detail: problem }))
    }
    const { socket, head: early } = this.#upgrade
    const { headers } = filterResponseHead(head, this.#exchange.responseEdits, false)
    this.#backend.note(this.#exchange, connection.tunnel, false, performance.now())
    const cookie = this.#backend.cookieFor(this.#exchange, connection.tunnel)
    if (cookie !== undefined) headers.push('Set-Cookie', cookie)
    try {
      this.#upgrade.accept(headers, rest, this.#room.timeouts.upgrade_idle_seconds * 1000)
    } catch (error) {
      connection.destroy()
      return this.#settle(refusedHead(error))
    }
    this.#headSent = true
    this.#exchange.hasSwitched = true
    this.#room.deadlines.remove(this)
    socket.off('close', this.#onVisitorClose)
    const stream = connection.release()
    if (early.length > 0) stream.write(early)
    // Whoever has said their last word may leave while the other takes nothing, and then nobody notices: a socket that is
    // not read shows no end. So what stands still from here on is over sooner.
    const hasten = (): void => this.#upgrade.hasten(this.#room.timeouts.visitor_stall_seconds * 1000)
    socket.once('end', hasten)
    stream.once('end', hasten)
    void splice(socket, stream).then(() => this.#settle()) // splice never rejects
  }

  onHead(head: ResponseHead): void {
    const { response, responseEdits } = this.#exchange
    const { headers } = filterResponseHead(head, responseEdits, false)
    headers.push('Connection', 'close')
    const tunnel = this.#tunnel! // it is the one that answers
    this.#lastProgress = performance.now()
    this.#backend.note(this.#exchange, tunnel, head.status >= 500, this.#lastProgress)
    const cookie = this.#backend.cookieFor(this.#exchange, tunnel)
    if (cookie !== undefined) headers.push('Set-Cookie', cookie)
    this.#headSent = true
    try {
      response.writeHead(head.status, headers)
    } catch (error) {
      this.#connection?.destroy()
      this.#settle(refusedHead(error))
    }
  }

  onBody(chunk: Buffer): void {
    const { response } = this.#exchange
    this.#lastProgress = performance.now()
    if (this.#settled || response.write(chunk)) return
    this.#connection?.stream.pause()
    response.once(
      'drain',
      within(this, () => this.#connection?.stream.resume()),
    )
  }

  onComplete(): void {
    const { response } = this.#exchange
    this.#connection?.destroy()
    response.on('close', this.#onVisitorClose)
    response.end()
  }

  onFed(): void {
    // The head of a refusal leaves with its body.
  }

  onInformation(): void {
    this.#lastProgress = performance.now() // interim responses mean nothing to a WebSocket handshake
  }

  onTrailers(): void {
    // A refused upgrade is answered without trailers.
  }

  onDrain(): void {
    // Nothing is sent before the 101; afterwards splice() has the stream.
  }

  onLost(error: Error): void {
    if (this.#settled) return
    const { isConnected, lane } = this.#connection! // it is the one that calls
    if (isConnected || this.#headSent || !this.#exchange.isSafe) return this.#settle(lostError(error))
    this.#leave()
    this.#leaveLane(lane, error) // a GET: safe to repeat
  }

  /** A listener of ours threw: this exchange ends, and nothing else. Where it is over already, it can only be told of. */
  fault(thrown: unknown): void {
    if (this.#settled) return this.#room.onFault(thrown, 'exchange')
    this.#connection?.destroy()
    this.#settle(new RelayError('internal', { cause: thrown }))
  }

  tick(now: number): void {
    const { timeouts } = this.#room
    const waited = (now - this.#lastProgress) / 1000
    const limit = !this.#connection?.isConnected
      ? timeouts.app_reply_seconds
      : this.#headSent
        ? timeouts.visitor_stall_seconds
        : timeouts.app_answer_seconds
    if (waited <= limit) return
    this.#connection?.destroy()
    this.#settle(new RelayError('app_timeout', { detail: 'no answer to the upgrade' }))
  }

  /** What a client must check (RFC 9110 7.8, RFC 6455 4.1), so that nothing but what was asked for ever gets raw bytes. */
  #problemOf(head: ResponseHead): string | undefined {
    const value = (name: string): string | undefined => {
      const index = head.rawHeaders.findIndex((text, i) => i % 2 === 0 && text.toLowerCase() === name)
      return index === -1 ? undefined : head.rawHeaders[index + 1]
    }
    const protocol = this.#upgrade.protocol.toLowerCase()
    if (value('upgrade')?.toLowerCase() !== protocol) return `101 without Upgrade: ${protocol}`
    if (!head.connectionOptions?.has('upgrade')) return '101 without Connection: Upgrade'
    if (protocol !== WEBSOCKET) return undefined
    const key = this.#exchange.header('sec-websocket-key') ?? ''
    const accept = createHash('sha1').update(`${key}${WEBSOCKET_GUID}`).digest('base64')
    if (value('sec-websocket-accept') !== accept) return '101 with a wrong Sec-WebSocket-Accept'
    return undefined
  }

  /** One connection of the agent is lost; where the agent has another one, the same tunnel may serve. */
  #leaveLane(lane: Lane, failure: Error): void {
    if (!lane.isOnline && lane.tunnel.isOnline) this.#lastFailure = failure
    else this.#noteFailure(lane.tunnel, failure)
    if (!this.#settled) this.#attempt(true)
  }

  #noteFailure(tunnel: Tunnel, failure: StreamReply | Error): void {
    this.#tried ??= new Set()
    this.#tried.add(tunnel)
    this.#lastFailure = failure
  }

  #giveUp(): void {
    this.#settle(noTunnelError(this.#backend, this.#tried?.size ?? 0, this.#lastFailure))
  }

  #leave(): void {
    if (!this.#tunnel) return
    this.#tunnel.lasting--
    this.#tunnel = undefined
    this.#connection = undefined
  }

  #settle(error?: RelayError): void {
    if (this.#settled) return
    this.#settled = true
    this.#leave()
    this.#room.deadlines.remove(this)
    if (error) this.#reject(error)
    else this.#resolve()
  }
}

/** Nothing has a body here; a POST says so (RFC 9110 8.6). */
function framingOf(method: string): RequestFraming {
  return method === 'GET' ? { type: 'none' } : { type: 'length', length: '0' }
}

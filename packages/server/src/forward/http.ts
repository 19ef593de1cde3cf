// One ordinary request through a tunnel: pick, send, stream the answer back, retry only where that is safe.
// This is the hot path: one object and one promise per exchange, no timers, no copies of bodies.
//
// Rules (RULES.md "Forwarding"): only GET, HEAD and OPTIONS without a body ride pooled streams. Until the agent's
// reply the head and the first bytes of the body are kept, so that a refused exchange can go to the next tunnel.

import type { StreamReply } from '@sallyport/protocol'

import { FixedResponse } from '../backend/fixed-response.ts'
import type { RouteBackend } from '../backend/route-backend.ts'
import { RelayError } from '../errors.ts'
import { startWithin, within } from '../exchange/border.ts'
import type { Exchange } from '../exchange/exchange.ts'
import type { Lane } from '../tunnel/lane.ts'
import type { Tunnel } from '../tunnel/tunnel.ts'
import { LASTING_AFTER_MS } from './deadlines.ts'
import type { Watched } from './deadlines.ts'
import { readEarlyHints } from './early-hints.ts'
import type { ForwardRoom } from './forwarder.ts'
import {
  authenticatesConnection,
  connectionOptionsOf,
  filterResponseHead,
  filterTrailers,
  writeRequestHead,
} from './headers.ts'
import type { RequestFraming } from './headers.ts'
import { forwardHttp2 } from './http2.ts'
import { lostError, noTunnelError, refusedHead } from './refusal.ts'
import { BadResponse } from './response-parser.ts'
import type { ResponseHead } from './response-parser.ts'
import { UpstreamConnection } from './upstream-connection.ts'
import type { UpstreamHandler } from './upstream-connection.ts'

// An answer up to this size leaves as one text with its head; beyond it making the text costs more than it saves.
const ONE_TEXT_BYTES = 4096
// A stream without a reply for so long makes the session prove that it is alive.
const PROBE_AFTER_MS = 2000

/** Forwards a request; resolves when the visitor's answer is out or the visitor is gone. */
export function forwardRequest(exchange: Exchange, backend: RouteBackend, room: ForwardRoom): Promise<void> {
  return new Promise((resolve, reject) => {
    const transfer = new Transfer(exchange, backend, room, resolve, reject)
    startWithin(transfer)
  })
}

class Transfer implements UpstreamHandler, Watched {
  place = -1
  readonly #exchange: Exchange
  readonly #backend: RouteBackend
  readonly #room: ForwardRoom
  readonly #resolve: () => void
  readonly #reject: (error: RelayError) => void

  readonly #framing: RequestFraming
  readonly #isSafe: boolean
  #connection: UpstreamConnection | undefined
  #tried: Set<Tunnel> | undefined
  #lastFailure: StreamReply | Error | undefined
  #retriedStale = false
  #settled = false

  /** Framed pieces of the body, until the agent's reply. */
  #kept: Buffer[] | undefined
  #keptBytes = 0
  #bodyStarted = false
  #bodyDone: boolean
  #headSent = false
  #headWaits = false
  #responseDone = false
  /** What the answer's `Connection` lists. */
  #responseOptions: ReadonlySet<string> | undefined
  #canPool = true
  /** It is no longer counted among the requests. */
  #isLasting = false
  #waitsForVisitor = false
  #waitsForStream = false
  #lastProgress: number

  constructor(
    exchange: Exchange,
    backend: RouteBackend,
    room: ForwardRoom,
    resolve: () => void,
    reject: (error: RelayError) => void,
  ) {
    this.#exchange = exchange
    this.#backend = backend
    this.#room = room
    this.#resolve = resolve
    this.#reject = reject
    this.#framing = framingOf(exchange)
    this.#bodyDone = this.#framing.type === 'none'
    this.#isSafe = exchange.isSafe
    this.#lastProgress = exchange.startedAt
  }

  start(): void {
    const { response } = this.#exchange
    response.on(
      'close',
      within(this, () => this.#onVisitorClose()),
    )
    if (response.destroyed) return this.#onVisitorClose()
    this.#room.deadlines.add(this)
    this.#attempt()
  }

  // ── towards the app ────────────────────────────────────────────────────────────────────────────

  /** @param isRetry whether it counts against the retry budget */
  #attempt(isRetry = false): void {
    const { limits, pool, onFault } = this.#room
    const tunnel = this.#backend.pick(this.#exchange, this.#tried)
    if (!tunnel) return this.#giveUp()
    if (tunnel instanceof FixedResponse) return this.#answerWith(tunnel)
    if (isRetry && !this.#backend.budget.take(performance.now())) return this.#giveUp()
    if (tunnel.upstreamProtocol === 'http2') return this.#handOver(tunnel)
    let connection = this.#mayRide && !this.#retriedStale ? pool.take(tunnel) : undefined
    try {
      connection ??= new UpstreamConnection(tunnel, this.#exchange.clientIp, limits.upstream_header_bytes, onFault)
    } catch (error) {
      this.#noteFailure(tunnel, error as Error) // pickLane and openStream throw ProtocolError only
      return this.#attempt() // nothing was sent, so it costs no retry
    }
    this.#connection = connection
    tunnel.inFlight++
    tunnel.lastRequestAt = this.#exchange.startedAt
    this.#exchange.tunnelId = tunnel.id
    connection.begin(this.#exchange.method, this)
    connection.stream.write(Buffer.from(writeRequestHead(this.#exchange, tunnel.hostHeader, this.#framing), 'latin1'))
    if (this.#framing.type === 'none') return
    if (!this.#bodyStarted) this.#startBody()
    else for (const piece of this.#kept ?? []) connection.stream.write(piece)
  }

  /** The app speaks HTTP/2: http2.ts goes on from here. A body that has been read as HTTP/1.1 stays with its own kind. */
  #handOver(tunnel: Tunnel): void {
    if (this.#bodyStarted) {
      this.#noteFailure(tunnel, this.#lastFailure ?? new Error('the app speaks HTTP/2'))
      return this.#attempt()
    }
    this.#settled = true
    this.#room.deadlines.remove(this)
    const start = { framing: this.#framing, tunnel, tried: this.#tried }
    forwardHttp2(this.#exchange, this.#backend, this.#room, start).then(this.#resolve, this.#reject)
  }

  #answerWith(fixed: FixedResponse): void {
    this.#responseDone = true
    fixed.answer(this.#exchange)
  }

  #startBody(): void {
    this.#bodyStarted = true
    this.#kept = []
    const { request } = this.#exchange
    request.on(
      'data',
      within(this, (chunk) => this.#onBodyChunk(chunk)),
    )
    request.on(
      'end',
      within(this, () => this.#onBodyEnd()),
    )
  }

  #onBodyChunk(chunk: Buffer): void {
    if (this.#settled || this.#responseDone) return
    this.#lastProgress = performance.now()
    if (this.#framing.type === 'length') return this.#sendBody(chunk)
    this.#sendBody(Buffer.from(`${chunk.length.toString(16)}\r\n`, 'latin1'))
    this.#sendBody(chunk)
    this.#sendBody(CRLF)
  }

  #onBodyEnd(): void {
    if (this.#settled || this.#responseDone) return
    if (this.#framing.type === 'chunked') {
      const { request, requestEdits } = this.#exchange
      const { rawTrailers } = request
      const listed = rawTrailers.length > 0 ? connectionOptionsOf(request.rawHeaders) : undefined
      const trailers = filterTrailers(rawTrailers, requestEdits, listed)
      const lines = trailers.map(([name, value]) => `${name}: ${value}\r\n`).join('')
      this.#sendBody(Buffer.from(`0\r\n${lines}\r\n`, 'latin1'))
    }
    this.#bodyDone = true
    this.#lastProgress = performance.now()
  }

  #sendBody(piece: Buffer): void {
    const kept = this.#kept
    if (kept) {
      kept.push(piece)
      this.#keptBytes += piece.length
      // The rest waits for the agent's reply; until then everything must be repeatable.
      if (this.#keptBytes >= this.#room.limits.request_buffer_bytes) this.#exchange.request.pause()
    }
    const writable = this.#connection?.stream.write(piece) ?? true
    if (!writable && !kept) {
      this.#waitsForStream = true
      this.#exchange.request.pause()
    }
  }

  onReply(reply: StreamReply): void {
    this.#lastProgress = performance.now()
    if (reply.ok) {
      this.#kept = undefined
      this.#exchange.request.resume()
      return
    }
    const { tunnel } = this.#connection! // a reply comes from the current connection
    this.#leave()
    this.#noteFailure(tunnel, reply)
    if (!this.#settled) this.#attempt(true)
  }

  onDrain(): void {
    this.#waitsForStream = false
    this.#lastProgress = performance.now()
    if (!this.#kept) this.#exchange.request.resume()
  }

  // ── towards the visitor ────────────────────────────────────────────────────────────────────────

  onInformation(head: ResponseHead): void {
    this.#lastProgress = performance.now()
    const { response } = this.#exchange
    if (head.status === 100) {
      if (this.#exchange.header('expect') !== undefined) response.writeContinue()
    } else if (head.status === 103) {
      if (this.#exchange.request.httpVersionMinor === 0) return
      const links = readEarlyHints(head.rawHeaders)
      if (links.length > 0) response.writeHints(links)
    } else if (this.#exchange.request.httpVersionMinor > 0) {
      response.writeInterim(head.status) // RFC 9110 15.2: a proxy passes on what it has not asked for itself
    }
  }

  onHead(head: ResponseHead): void {
    const { response, request, responseEdits } = this.#exchange
    const chunked = head.framing === 'chunked' && request.httpVersionMinor > 0
    const filtered = filterResponseHead(head, responseEdits, chunked)
    if (!head.keepAlive || filtered.authenticatesConnection || head.framing === 'close') this.#canPool = false
    // An answer before the whole request: the rest of the request cannot be told from the next one (RFC 9112 9.3).
    if (!this.#bodyDone) {
      this.#canPool = false
      filtered.headers.push('Connection', 'close')
    }
    const { tunnel } = this.#connection! // it is the one that calls
    this.#lastProgress = performance.now()
    this.#backend.note(this.#exchange, tunnel, head.status >= 500, this.#lastProgress)
    const cookie = this.#backend.cookieFor(this.#exchange, tunnel)
    if (cookie !== undefined) filtered.headers.push('Set-Cookie', cookie)
    if (filtered.isEventStream) this.#last()
    this.#responseOptions = head.connectionOptions
    this.#headSent = true
    this.#headWaits = true
    try {
      response.writeHead(head.status, filtered.headers)
    } catch (error) {
      this.#fail(refusedHead(error))
    }
  }

  /** The head leaves together with the bytes that came with it; where none did, it does not wait for them. */
  onFed(): void {
    if (!this.#headWaits) return
    this.#headWaits = false
    if (!this.#settled && !this.#responseDone) this.#exchange.response.flushHeaders()
  }

  onBody(chunk: Buffer, isLast: boolean): void {
    if (this.#settled) return
    const isWhole = isLast && this.#headWaits
    this.#headWaits = false
    this.#lastProgress = performance.now()
    const { response } = this.#exchange
    if (isLast) {
      this.#responseDone = true
      // Head and body as one text of bytes: node:http writes it from its stack, two pieces by way of the heap.
      if (isWhole && chunk.length <= ONE_TEXT_BYTES) response.end(chunk.toString('latin1'), 'latin1')
      else response.end(chunk)
    } else if (!response.write(chunk) && !this.#waitsForVisitor) {
      this.#waitsForVisitor = true
      this.#connection?.stream.pause()
      response.once(
        'drain',
        within(this, () => this.#onVisitorDrain()),
      )
    }
  }

  #onVisitorDrain(): void {
    this.#waitsForVisitor = false
    this.#lastProgress = performance.now()
    this.#connection?.stream.resume()
  }

  onTrailers(rawTrailers: string[]): void {
    const { request, response, responseEdits } = this.#exchange
    if (this.#settled || request.httpVersionMinor === 0) return
    response.addTrailers(filterTrailers(rawTrailers, responseEdits, this.#responseOptions))
  }

  onComplete(): void {
    const connection = this.#connection
    this.#leave()
    if (connection) {
      if (this.#canPool && this.#bodyDone && !this.#settled && this.#mayPoolRequest()) {
        connection.stream.resume()
        this.#room.pool.put(connection, !this.#mayRide)
      } else connection.destroy()
    }
    if (!this.#responseDone && !this.#settled) {
      this.#responseDone = true
      this.#exchange.response.end()
    }
  }

  onUpgrade(): void {
    // The parser refuses 101 where no upgrade was asked for.
  }

  // ── ends ───────────────────────────────────────────────────────────────────────────────────────

  onLost(error: Error): void {
    const connection = this.#connection! // it is the one that calls
    this.#leave()
    if (this.#settled || this.#responseDone) return
    if (this.#headSent) return this.#fail(lostError(error))
    if (!connection.isConnected) {
      // The reply may have been on its way, and with it the request to the app: only what is safe is repeated.
      if (this.#isSafe) return this.#leaveLane(connection.lane, error)
      return this.#fail(lostError(error))
    }
    const wasPooled = connection.idleSince > 0
    // What is no answer at all on a kept stream belongs to the one before, as far as anybody can tell.
    const isNoAnswer = !connection.hasAnswered || error instanceof BadResponse
    if (wasPooled && isNoAnswer && !this.#retriedStale) {
      this.#retriedStale = true
      return this.#attempt()
    }
    // An app that hangs up on everybody is as fast as one that answers 500.
    this.#backend.note(this.#exchange, connection.tunnel, true, performance.now())
    this.#fail(lostError(error))
  }

  /** A listener of ours threw: this exchange ends, and nothing else. Where it is over already, it can only be told of. */
  fault(thrown: unknown): void {
    if (this.#settled) this.#room.onFault(thrown, 'exchange')
    else this.#fail(new RelayError('internal', { cause: thrown }))
  }

  /** The response is closed: sent in full, or the visitor has left. */
  #onVisitorClose(): void {
    const connection = this.#connection
    this.#leave()
    connection?.destroy()
    this.#settle()
  }

  /** One connection of the agent is lost or silent; where the agent has another one, the same tunnel may serve. */
  #leaveLane(lane: Lane, failure: Error): void {
    if (!lane.isOnline && lane.tunnel.isOnline) this.#lastFailure = failure
    else this.#noteFailure(lane.tunnel, failure)
    if (!this.#settled) this.#attempt(true)
  }

  /** Whether the request changes nothing, and all of it is still here. */
  get #isRepeatable(): boolean {
    return this.#isSafe && (!this.#bodyStarted || this.#kept !== undefined)
  }

  /** The agent says nothing, and neither does anything behind it: what is safe goes to a sibling. */
  #leaveSilent(): void {
    const failure = new RelayError('app_timeout', { detail: 'no reply of the agent' })
    const connection = this.#connection
    if (!connection || !this.#isRepeatable) return this.#fail(failure)
    this.#leave()
    connection.destroy()
    this.#lastProgress = performance.now()
    this.#leaveLane(connection.lane, failure)
  }

  #noteFailure(tunnel: Tunnel, failure: StreamReply | Error): void {
    this.#tried ??= new Set()
    this.#tried.add(tunnel)
    this.#lastFailure = failure
  }

  #giveUp(): void {
    this.#fail(noTunnelError(this.#backend, this.#tried?.size ?? 0, this.#lastFailure))
  }

  #fail(error: RelayError): void {
    if (this.#settled) return
    const connection = this.#connection
    this.#leave()
    connection?.destroy()
    this.#settle(error)
  }

  #leave(): void {
    if (!this.#connection) return
    const { tunnel } = this.#connection
    if (this.#isLasting) tunnel.lasting--
    else tunnel.inFlight--
    this.#connection = undefined
  }

  /** From here on it is one of those that are mostly silent: it says nothing of how busy the app is. */
  #last(): void {
    if (this.#isLasting || !this.#connection) return
    this.#isLasting = true
    this.#connection.tunnel.inFlight--
    this.#connection.tunnel.lasting++
  }

  #settle(error?: RelayError): void {
    if (this.#settled) return
    this.#settled = true
    this.#room.deadlines.remove(this)
    if (error) this.#reject(error)
    else this.#resolve()
  }

  /** Whether it may go out on a stream that the app may be about to close: nothing is lost if it has to go out again. */
  get #mayRide(): boolean {
    return this.#isSafe && this.#framing.type === 'none'
  }

  #mayPoolRequest(): boolean {
    return !authenticatesConnection(this.#exchange.header('authorization'))
  }

  /** Who is everybody waiting for, and for how long already? */
  tick(now: number): void {
    const { timeouts } = this.#room
    const waited = (now - this.#lastProgress) / 1000
    const connection = this.#connection
    if (this.#waitsForVisitor || this.#responseDone) {
      if (waited > timeouts.visitor_stall_seconds) this.#exchange.cut(new Error('the visitor takes no bytes'))
    } else if (!this.#headSent && connection?.lane.session.isSilent && this.#isRepeatable && !connection.hasAnswered) {
      this.#leaveSilent()
    } else if (!connection?.isConnected) {
      if (waited * 1000 > PROBE_AFTER_MS) connection?.lane.session.probe()
      if (waited > timeouts.app_reply_seconds) this.#leaveSilent()
    } else if (!this.#headSent) {
      if (waited * 1000 > PROBE_AFTER_MS) connection.lane.session.probe()
      const waitsForBody = !this.#bodyDone && !this.#waitsForStream
      if (waitsForBody && waited > timeouts.request_stall_seconds) this.#fail(new RelayError('request_timeout'))
      else if (waited > timeouts.app_answer_seconds) this.#fail(new RelayError('app_timeout', { detail: 'no answer' }))
    } else if (waited > timeouts.app_stall_seconds) {
      this.#fail(new RelayError('app_timeout', { detail: 'the response stands still' }))
    } else if (waited * 1000 > LASTING_AFTER_MS) this.#last()
  }
}

const CRLF = Buffer.from('\r\n')

/** RFC 9112 6.3: a request has a body exactly when it says so. Admission has refused everything ambiguous. */
function framingOf(exchange: Exchange): RequestFraming {
  if (exchange.header('transfer-encoding') !== undefined) return { type: 'chunked' }
  const length = exchange.header('content-length')
  if (length !== undefined) return Number(length) === 0 && exchange.isSafe ? NONE : { type: 'length', length }
  return NONE
}

const NONE: RequestFraming = { type: 'none' }

// One request through a tunnel whose app speaks HTTP/2: both directions flow at once, for as long as either wants to
// (gRPC). As http.ts otherwise: pick, send, stream the answer back, retry only where that is safe.
//
// A connection stands before anything is sent, so a tunnel without one costs nothing. Later the app itself says what it
// has not looked at: REFUSED_STREAM, and streams beyond its GOAWAY, may be sent again (RFC 9113 8.7) while the body is
// still kept; a bodiless GET, HEAD or OPTIONS may be, as long as nothing of an answer has come.

import { constants } from 'node:http2'
import type { ClientHttp2Stream } from 'node:http2'

import { ProtocolError } from '@sallyport/protocol'
import type { StreamReply } from '@sallyport/protocol'

import { FixedResponse } from '../backend/fixed-response.ts'
import type { RouteBackend } from '../backend/route-backend.ts'
import { RelayError } from '../errors.ts'
import { startWithin, within } from '../exchange/border.ts'
import type { Exchange, VisitorResponse } from '../exchange/exchange.ts'
import { readGrpcTimeout } from '../exchange/grpc.ts'
import { trailersByName } from '../exchange/trailers-by-name.ts'
import type { Tunnel } from '../tunnel/tunnel.ts'
import { LASTING_AFTER_MS } from './deadlines.ts'
import type { Watched } from './deadlines.ts'
import { readEarlyHints } from './early-hints.ts'
import type { ForwardRoom } from './forwarder.ts'
import { connectionOptionsOf, filterResponseHead, filterTrailers } from './headers.ts'
import type { RequestFraming } from './headers.ts'
import type { Http2Connection } from './http2-connection.ts'
import { readHttp2Head, writeHttp2Head } from './http2-headers.ts'
import type { Http2Waiter } from './http2-pool.ts'
import { lostError, noTunnelError, refusedHead } from './refusal.ts'

const { NGHTTP2_CANCEL, NGHTTP2_FLAG_END_STREAM, NGHTTP2_REFUSED_STREAM } = constants

// For silence within a call that says itself how long it may take: as much as any timeout of the configuration may be.
const GRPC_SILENCE_MAX_SECONDS = 86_400

/** Where an exchange stands when an HTTP/2 tunnel is picked for it: nothing of its body has been read. */
export interface Http2Start {
  framing: RequestFraming
  tunnel: Tunnel
  tried: Set<Tunnel> | undefined
}

/** Forwards a request; resolves when the visitor's answer is out or the visitor is gone. */
export function forwardHttp2(
  exchange: Exchange,
  backend: RouteBackend,
  room: ForwardRoom,
  start: Http2Start,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const transfer = new Http2Transfer(exchange, backend, room, start, resolve, reject)
    startWithin(transfer)
  })
}

class Http2Transfer implements Http2Waiter, Watched {
  place = -1
  readonly #exchange: Exchange
  readonly #backend: RouteBackend
  readonly #room: ForwardRoom
  readonly #resolve: () => void
  readonly #reject: (error: RelayError) => void

  readonly #framing: RequestFraming
  readonly #isSafe: boolean
  readonly #tried: Set<Tunnel>
  #tunnel: Tunnel | undefined
  #stream: ClientHttp2Stream | undefined
  #lastFailure: StreamReply | Error | undefined
  #retriedStale = false
  #hasLeftLane = false
  #settled = false

  /** Pieces of the body, until they are too many or the answer begins. */
  #kept: Buffer[] | undefined = []
  #keptBytes = 0
  #bodyStarted = false
  #bodyDone: boolean
  #headSent = false
  #responseDone = false
  #waitsForVisitor = false
  #waitsForStream = false
  /** It is no longer counted among the requests. */
  #isLasting = false
  #lastProgress: number
  /** How long a gRPC call may take and be silent; read when somebody first looks, `null` where it is no call of gRPC. */
  #grpc: GrpcPatience | null | undefined

  constructor(
    exchange: Exchange,
    backend: RouteBackend,
    room: ForwardRoom,
    { framing, tunnel, tried }: Http2Start,
    resolve: () => void,
    reject: (error: RelayError) => void,
  ) {
    this.#exchange = exchange
    this.#backend = backend
    this.#room = room
    this.#resolve = resolve
    this.#reject = reject
    this.#framing = framing
    this.#tunnel = tunnel
    this.#tried = tried ?? new Set()
    this.#bodyDone = framing.type === 'none'
    this.#isSafe = this.#bodyDone && exchange.isSafe
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
    const tunnel = this.#tunnel! // the one that was picked
    this.#tunnel = undefined
    this.#enter(tunnel)
  }

  // ── towards the app ────────────────────────────────────────────────────────────────────────────

  /** @param isRetry whether it counts against the retry budget */
  #attempt(isRetry = false): void {
    const tunnel = this.#backend.pick(this.#exchange, this.#tried)
    if (!tunnel) return this.#giveUp()
    if (tunnel instanceof FixedResponse) {
      this.#responseDone = true
      return tunnel.answer(this.#exchange)
    }
    if (isRetry && !this.#backend.budget.take(performance.now())) return this.#giveUp()
    if (tunnel.upstreamProtocol === 'http2') return this.#enter(tunnel)
    // Tunnels of one backend ought to speak one protocol; where they do not, each exchange stays with its own kind.
    this.#tried.add(tunnel)
    this.#attempt()
  }

  #enter(tunnel: Tunnel): void {
    this.#tunnel = tunnel
    tunnel.inFlight++
    tunnel.lastRequestAt = this.#exchange.startedAt
    this.#exchange.tunnelId = tunnel.id
    try {
      this.#room.http2.acquire(tunnel, this.#exchange.clientIp, this)
    } catch (error) {
      this.onNoConnection(error as Error) // acquire throws ProtocolError only
    }
  }

  onConnection(connection: Http2Connection): void {
    const tunnel = this.#tunnel
    if (this.#settled || !tunnel) return
    this.#lastProgress = performance.now()
    // What a person wrote behind `agent tunnel`: the only sign of TLS, and of no other use here.
    const scheme = tunnel.forwardsTo.startsWith('https:') ? 'https' : 'http'
    const head = writeHttp2Head(this.#exchange, tunnel.hostHeader, scheme, this.#framing)
    let asked: ReturnType<Http2Connection['request']>
    try {
      asked = connection.request(head, this.#framing.type !== 'none')
    } catch (error) {
      if (connection.isClosing) return this.onNoConnection(error as Error) // node:http2 throws Errors
      return this.#fail(new RelayError('bad_request', { cause: error, detail: 'a header that HTTP/2 does not know' }))
    }
    this.#listen(asked.stream, asked.sawEnd)
    if (this.#framing.type === 'none') return
    if (this.#bodyStarted) this.#replayBody()
    else this.#startBody()
  }

  onNoConnection(failure: StreamReply | Error): void {
    const tunnel = this.#tunnel
    if (this.#settled || !tunnel) return
    this.#leave()
    // One connection of the agent may have been lost; where it has another one, the same tunnel may serve, once.
    if (failure instanceof ProtocolError && tunnel.isOnline && !this.#hasLeftLane) this.#hasLeftLane = true
    else this.#tried.add(tunnel)
    this.#lastFailure = failure
    // Nothing was sent where not even a reply came, so it costs no retry.
    this.#attempt(!(failure instanceof ProtocolError))
  }

  #giveUp(): void {
    this.#fail(noTunnelError(this.#backend, this.#tried.size, this.#lastFailure))
  }

  #listen(stream: ClientHttp2Stream, sawEnd: () => boolean): void {
    this.#stream = stream
    const current = (): boolean => this.#stream === stream
    const on = <Args extends unknown[]>(event: string, listener: (...args: Args) => void): unknown =>
      stream.on(event, within(this, listener))
    let rawTrailers: string[] = []
    on('headers', (_headers, _flags, raw: string[]) => void (current() && this.#onInformation(raw)))
    on('response', (_headers, flags: number, raw: string[]) => {
      if (!current()) return
      const isAll = (flags & NGHTTP2_FLAG_END_STREAM) !== 0
      this.#onHead(raw, isAll)
      // At once, so that what is only a head also leaves as one: gRPC tells its failures that way.
      if (isAll && current()) return this.#onComplete([])
      // Not before: node:http2 tells of the head a tick later than of the first bytes.
      on('data', (chunk: Buffer) => void (current() && this.#onBody(chunk)))
    })
    stream.on('trailers', (_headers, _flags, raw: string[]) => (rawTrailers = raw))
    on('end', () => {
      // A reset with NO_ERROR also ends the readable side, as if the answer were complete: RFC 9113 8.1 allows it only
      // behind a complete one.
      if (current() && sawEnd()) this.#onComplete(rawTrailers)
    })
    on('drain', () => void (current() && this.#onDrain()))
    on('wantTrailers', () => this.#sendTrailers(stream))
    let lost: Error | undefined
    stream.on('error', (error: Error) => (lost = error))
    on('close', () => {
      if (current()) this.#onLost(stream.rstCode, lost)
    })
  }

  #startBody(): void {
    this.#bodyStarted = true
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

  #replayBody(): void {
    for (const chunk of this.#kept ?? []) this.#stream?.write(chunk)
    if (this.#bodyDone) this.#stream?.end()
    else this.#exchange.request.resume()
  }

  #onBodyChunk(chunk: Buffer): void {
    if (this.#settled || this.#responseDone) return
    this.#lastProgress = performance.now()
    if (this.#kept) {
      this.#kept.push(chunk)
      this.#keptBytes += chunk.length
      // Too much to be repeated. While it waits for a connection again, the request stands still.
      if (this.#stream && this.#keptBytes > this.#room.limits.request_buffer_bytes) this.#kept = undefined
    }
    if (!this.#stream || this.#stream.write(chunk)) return
    this.#waitsForStream = true
    this.#exchange.request.pause()
  }

  #onBodyEnd(): void {
    if (this.#settled || this.#responseDone) return
    this.#bodyDone = true
    this.#lastProgress = performance.now()
    this.#stream?.end()
  }

  #sendTrailers(stream: ClientHttp2Stream): void {
    const { request, requestEdits } = this.#exchange
    const { rawTrailers } = request
    const listed = rawTrailers.length > 0 ? connectionOptionsOf(request.rawHeaders) : undefined
    stream.sendTrailers(trailersByName(filterTrailers(rawTrailers, requestEdits, listed)))
  }

  #onDrain(): void {
    this.#waitsForStream = false
    this.#lastProgress = performance.now()
    this.#exchange.request.resume()
  }

  // ── towards the visitor ────────────────────────────────────────────────────────────────────────

  #onInformation(raw: readonly string[]): void {
    this.#lastProgress = performance.now()
    const { response, request } = this.#exchange
    const { status, rawHeaders } = readHttp2Head(raw)
    if (status === 100) {
      if (this.#exchange.header('expect') !== undefined) response.writeContinue()
    } else if (status === 103 && request.httpVersionMinor > 0) {
      const links = readEarlyHints(rawHeaders)
      if (links.length > 0) response.writeHints(links)
    } else if (status !== 101 && status !== 103 && request.httpVersionMinor > 0) {
      response.writeInterim(status) // 101 means nothing in HTTP/2 (RFC 9113 8.6)
    }
  }

  #onHead(raw: readonly string[], isAll: boolean): void {
    if (this.#settled || this.#headSent) return
    const { response, request, responseEdits } = this.#exchange
    const head = readHttp2Head(raw)
    const mayHaveTrailers = !isAll && request.httpVersionMinor > 0 && !head.rawHeaders.includes('content-length')
    const { headers, isEventStream } = filterResponseHead(head, responseEdits, mayHaveTrailers)
    if (isEventStream) this.#last()
    // On HTTP/1.1 the rest of the request cannot be told from the next one (RFC 9112 9.3); HTTP/2 has no such header.
    if (!this.#bodyDone) headers.push('Connection', 'close')
    const tunnel = this.#tunnel! // it is the one that answers
    this.#lastProgress = performance.now()
    this.#backend.note(this.#exchange, tunnel, head.status >= 500, this.#lastProgress)
    const cookie = this.#backend.cookieFor(this.#exchange, tunnel)
    if (cookie !== undefined) headers.push('Set-Cookie', cookie)
    this.#kept = undefined
    this.#headSent = true
    try {
      response.writeHead(head.status, headers)
      // What comes of the body in this turn leaves together with the head; the head of a quiet stream does not wait.
      if (!isAll) setImmediate(flushHead, response)
    } catch (error) {
      this.#fail(refusedHead(error))
    }
  }

  #onBody(chunk: Buffer): void {
    if (this.#settled) return
    this.#lastProgress = performance.now()
    const { response } = this.#exchange
    if (response.write(chunk) || this.#waitsForVisitor) return
    this.#waitsForVisitor = true
    this.#stream?.pause()
    response.once(
      'drain',
      within(this, () => this.#onVisitorDrain()),
    )
  }

  #onVisitorDrain(): void {
    this.#waitsForVisitor = false
    this.#lastProgress = performance.now()
    this.#stream?.resume()
  }

  #onComplete(rawTrailers: readonly string[]): void {
    const stream = this.#stream
    this.#leave()
    // The app has said everything; what the visitor still sends has no reader (RFC 9113 8.1).
    if (!this.#bodyDone) stream?.close(NGHTTP2_CANCEL)
    if (this.#settled) return
    this.#responseDone = true
    const { request, response, responseEdits } = this.#exchange
    if (rawTrailers.length > 0 && request.httpVersionMinor > 0) {
      response.addTrailers(filterTrailers(rawTrailers, responseEdits, undefined)) // no Connection on HTTP/2 (RFC 9113 8.2.2)
    }
    response.end()
  }

  // ── ends ───────────────────────────────────────────────────────────────────────────────────────

  /** The stream is over, and no complete answer has come. */
  #onLost(resetCode: number | undefined, lost: Error | undefined): void {
    const tunnel = this.#tunnel! // the stream belongs to it
    this.#leave()
    if (this.#settled || this.#responseDone) return
    const error = lost ?? new Error(`the app ended the stream (HTTP/2 code ${resetCode})`)
    if (!this.#headSent) this.#backend.note(this.#exchange, tunnel, true, performance.now())
    const isUnseen = resetCode === NGHTTP2_REFUSED_STREAM && (this.#kept !== undefined || !this.#bodyStarted)
    const mayRepeat = isUnseen || (this.#isSafe && !this.#retriedStale)
    if (this.#headSent || !mayRepeat || !this.#backend.budget.take(performance.now())) {
      return this.#fail(lostError(error))
    }
    this.#lastFailure = error
    this.#exchange.request.pause()
    // The connection may have been about to close; the tunnel behind it is as good as another, once.
    if (this.#retriedStale) this.#tried.add(tunnel)
    this.#retriedStale = true
    this.#attempt()
  }

  /** A listener of ours threw: this exchange ends, and nothing else. Where it is over already, it can only be told of. */
  fault(thrown: unknown): void {
    if (this.#settled) this.#room.onFault(thrown, 'exchange')
    else this.#fail(new RelayError('internal', { cause: thrown }))
  }

  /** The response is closed: sent in full, or the visitor has left. */
  #onVisitorClose(): void {
    this.#cancel()
    this.#settle()
  }

  #fail(error: RelayError): void {
    if (this.#settled) return
    this.#cancel()
    this.#settle(error)
  }

  #cancel(): void {
    const stream = this.#stream
    this.#leave()
    stream?.resume() // what has come already is dropped, or the stream never closes
    stream?.close(NGHTTP2_CANCEL)
  }

  #leave(): void {
    if (this.#isLasting && this.#tunnel) this.#tunnel.lasting--
    else if (this.#tunnel) this.#tunnel.inFlight--
    this.#tunnel = undefined
    this.#stream = undefined
  }

  /** From here on it is one of those that are mostly silent: it says nothing of how busy the app is. */
  #last(): void {
    if (this.#isLasting || !this.#tunnel) return
    this.#isLasting = true
    this.#tunnel.inFlight--
    this.#tunnel.lasting++
  }

  #settle(error?: RelayError): void {
    if (this.#settled) return
    this.#settled = true
    this.#room.deadlines.remove(this)
    if (error) this.#reject(error)
    else this.#resolve()
  }

  /** Who is everybody waiting for, and for how long already? A connection that opens has its own deadline. */
  tick(now: number): void {
    const { timeouts } = this.#room
    const waited = (now - this.#lastProgress) / 1000
    if (this.#grpc === undefined) this.#grpc = readGrpcPatience(this.#exchange, timeouts.grpc_idle_seconds)
    const grpc = this.#grpc
    if (grpc && now > grpc.endsAt && !this.#responseDone) {
      return this.#fail(new RelayError('app_timeout', { detail: 'the grpc-timeout of the call is over' }))
    }
    if (this.#waitsForVisitor || this.#responseDone) {
      if (waited > timeouts.visitor_stall_seconds) this.#exchange.cut(new Error('the visitor takes no bytes'))
      return
    }
    if (!this.#stream) return
    if (this.#headSent && waited * 1000 > LASTING_AFTER_MS) this.#last()
    if (grpc) {
      if (waited > grpc.silenceSeconds) this.#fail(new RelayError('app_timeout', { detail: 'the gRPC call is silent' }))
    } else if (!this.#headSent) {
      const waitsForBody = !this.#bodyDone && !this.#waitsForStream
      if (waitsForBody && waited > timeouts.request_stall_seconds) this.#fail(new RelayError('request_timeout'))
      else if (waited > timeouts.app_answer_seconds) this.#fail(new RelayError('app_timeout', { detail: 'no answer' }))
    } else if (waited > timeouts.app_stall_seconds) {
      this.#fail(new RelayError('app_timeout', { detail: 'the response stands still' }))
    }
  }
}

interface GrpcPatience {
  /** Monotonic milliseconds. */
  endsAt: number
  silenceSeconds: number
}

function readGrpcPatience(exchange: Exchange, idleSeconds: number): GrpcPatience | null {
  if (exchange.grpcType === undefined) return null
  const timeoutMs = readGrpcTimeout(exchange.header('grpc-timeout'))
  if (timeoutMs === undefined) return { endsAt: Infinity, silenceSeconds: idleSeconds }
  return { endsAt: exchange.startedAt + timeoutMs, silenceSeconds: GRPC_SILENCE_MAX_SECONDS }
}

function flushHead(response: VisitorResponse): void {
  if (!response.destroyed) response.flushHeaders()
}

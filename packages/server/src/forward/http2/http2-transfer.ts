// An ordinary request to an app that speaks HTTP/2: both directions flow at once, until both have ended (gRPC).
// The connection is open before anything is sent, so a tunnel without one costs nothing. Later the app itself says
// which requests it has not processed: streams refused with REFUSED_STREAM, or after its GOAWAY, may be sent again (RFC
// 9113 8.7) while the body is still kept; a bodiless GET, HEAD or OPTIONS may be while nothing of an answer has come.

import { constants } from 'node:http2'
import type { ClientHttp2Stream } from 'node:http2'

import { ProtocolError } from '@sallyport/protocol'
import type { StreamReply } from '@sallyport/protocol'

import { RelayError } from '../../errors.ts'
import { within } from '../../exchange/border.ts'
import type { Exchange, VisitorResponse } from '../../exchange/exchange.ts'
import { readGrpcTimeout } from '../../exchange/grpc.ts'
import { trailersByName } from '../../exchange/trailers-by-name.ts'
import type { Tunnel } from '../../tunnel/tunnel.ts'
import { LASTING_AFTER_MS } from '../transfer/deadlines.ts'
import { decideHead, passHead, requestTrailersOf } from '../transfer/headers.ts'
import { lostError } from '../transfer/refusal.ts'
import type { ResponseHead } from '../transfer/response-head.ts'
import { RequestTransfer } from '../transfer/request-transfer.ts'
import type { TransferParts } from '../transfer/transfer-parts.ts'
import type { Http2Connection } from './http2-connection.ts'
import { readHttp2Head, writeHttp2Head } from './http2-headers.ts'
import type { Http2Pool, Http2Waiter } from './http2-pool.ts'

const { NGHTTP2_CANCEL, NGHTTP2_FLAG_END_STREAM, NGHTTP2_REFUSED_STREAM } = constants

// For silence within a call that has a time limit of its own: the longest timeout that the configuration allows.
const GRPC_SILENCE_MAX_SECONDS = 86_400

/** With the connections that are open. */
export interface Http2Parts extends TransferParts {
  readonly http2: Http2Pool
}

export class Http2Transfer extends RequestTransfer implements Http2Waiter {
  declare protected readonly parts: Http2Parts
  #stream: ClientHttp2Stream | undefined
  #retriedStale = false
  #hasLeftLane = false
  /** How long a gRPC call may take and be silent; read on first use, `null` if it is not a gRPC call. */
  #grpc: GrpcPatience | null | undefined

  // ── towards the app ────────────────────────────────────────────────────────────────────────────

  protected override speaks({ upstreamProtocol }: Tunnel): boolean {
    return upstreamProtocol === 'http2'
  }

  protected override send(tunnel: Tunnel): void {
    this.enter(tunnel)
    try {
      this.parts.http2.acquire(tunnel, this.exchange.clientIp, this)
    } catch (error) {
      this.onNoConnection(error as Error) // acquire throws only ProtocolError
    }
  }

  onConnection(connection: Http2Connection): void {
    const { tunnel } = this
    if (this.isOver || !tunnel) return
    this.lastProgress = performance.now()
    // The address that a person wrote after `agent tunnel`: the only sign of TLS, and of no other use here.
    const scheme = tunnel.forwardsTo.startsWith('https:') ? 'https' : 'http'
    const head = writeHttp2Head(this.exchange, tunnel.hostHeader, scheme, this.framing)
    let asked: ReturnType<Http2Connection['request']>
    try {
      asked = connection.request(head, this.body !== undefined)
    } catch (error) {
      if (connection.isClosing) return this.onNoConnection(error as Error) // node:http2 throws Errors
      return this.fail(new RelayError('bad_request', { cause: error, detail: 'a header that HTTP/2 does not know' }))
    }
    this.#listen(asked.stream, asked.sawEnd)
    this.body?.send()
  }

  onNoConnection(failure: StreamReply | Error): void {
    const { tunnel } = this
    if (this.isOver || !tunnel) return
    this.leave()
    this.proveUnsent()
    // One connection of the agent may have been lost; if it has another one, the same tunnel may serve, once.
    if (failure instanceof ProtocolError && tunnel.isOnline && !this.#hasLeftLane) {
      this.#hasLeftLane = true
      this.lastFailure = failure
    } else this.noteFailure(tunnel, failure)
    // Without a reply nothing was sent, so it costs no retry.
    this.attempt(!(failure instanceof ProtocolError))
  }

  #listen(stream: ClientHttp2Stream, sawEnd: () => boolean): void {
    this.#stream = stream
    const current = (): boolean => this.#stream === stream
    const on = <Args extends unknown[]>(event: string, listener: (...args: Args) => void): unknown =>
      stream.on(event, within(this, listener))
    let rawTrailers: string[] = []
    on('headers', (_headers, _flags, raw: string[]) => {
      const { status, rawHeaders } = readHttp2Head(raw)
      if (current()) this.inform(status, rawHeaders)
    })
    on('response', (_headers, flags: number, raw: string[]) => {
      if (!current()) return
      const isAll = (flags & NGHTTP2_FLAG_END_STREAM) !== 0
      const head = readHttp2Head(raw)
      const mayHaveTrailers =
        !isAll && this.exchange.request.httpVersionMinor > 0 && !head.rawHeaders.includes('content-length')
      const goOn = (): void => {
        if (!current()) return
        this.#onHead(head, isAll, mayHaveTrailers)
        // At once, so that a head without a body leaves as one: gRPC sends its failures that way.
        if (isAll && current()) return this.#onComplete([])
        // Not before: node:http2 emits the head a tick later than the first bytes.
        on('data', (chunk: Buffer) => void (current() && this.#onBody(chunk)))
      }
      const decided = decideHead(this.exchange, head, mayHaveTrailers, this.tunnel)
      if (decided) this.hold(decided, goOn)
      else goOn()
    })
    stream.on('trailers', (_headers, _flags, raw: string[]) => (rawTrailers = raw))
    on('end', () => {
      // A reset with NO_ERROR also ends the readable side, as if the answer were complete: RFC 9113 8.1 allows it only
      // after a complete one.
      if (current() && sawEnd()) this.#onComplete(rawTrailers)
    })
    on('drain', () => void (current() && this.onDrain()))
    on('wantTrailers', () => stream.sendTrailers(trailersByName(requestTrailersOf(this.exchange))))
    let lost: Error | undefined
    stream.on('error', (error: Error) => (lost = error))
    on('close', () => {
      if (current()) this.#onLost(stream.rstCode, lost)
    })
  }

  override sendBody(chunk: Buffer): boolean {
    return this.#stream?.write(chunk) ?? true
  }

  override endBody(): void {
    this.#stream?.end()
  }

  /** Too much to be repeated. While it waits for a connection again, the request is paused. */
  override onBodyFull(): void {
    if (this.#stream) this.body?.letGo()
  }

  // ── towards the visitor ────────────────────────────────────────────────────────────────────────

  #onHead(head: ResponseHead, isAll: boolean, mayHaveTrailers: boolean): void {
    if (this.isOver || this.headSent) return
    const { exchange } = this
    const filtered = passHead(exchange, head, mayHaveTrailers, this.tunnel)
    if (filtered.instead) {
      this.body?.letGo()
      return this.answerInstead(head.status, filtered.instead)
    }
    // On HTTP/1.1, the rest of the request could be read as the next request (RFC 9112 9.3); HTTP/2 has no such header.
    if (this.isSending) filtered.headers.push('Connection', 'close')
    this.body?.letGo()
    // Bytes of the body that come in this turn leave together with the head; the head of a quiet stream does not wait.
    if (this.answerHead(head.status, filtered) && !isAll) setImmediate(flushHead, exchange.response)
  }

  #onBody(chunk: Buffer): void {
    if (this.isOver) return
    if (this.isReplaced) return this.discard(chunk)
    this.lastProgress = performance.now()
    this.answerBody(chunk)
  }

  #onComplete(rawTrailers: readonly string[]): void {
    const stream = this.#stream
    this.leave()
    // The app's answer is complete; the rest of the visitor's body is not read (RFC 9113 8.1).
    if (this.isSending) stream?.close(NGHTTP2_CANCEL)
    if (this.isOver || this.isReplaced) return
    this.answerDone = true
    if (rawTrailers.length > 0) this.answerTrailers(rawTrailers, undefined) // no Connection on HTTP/2 (RFC 9113 8.2.2)
    this.exchange.response.end()
  }

  // ── ends ───────────────────────────────────────────────────────────────────────────────────────

  /** The stream has ended without a complete answer. */
  #onLost(resetCode: number | undefined, lost: Error | undefined): void {
    const tunnel = this.tunnel! // the stream belongs to it
    this.leave()
    if (this.isOver || this.answerDone) return
    const error = lost ?? new Error(`the app ended the stream (HTTP/2 code ${resetCode})`)
    if (!this.headSent) this.backend.note(this.exchange, tunnel, true, performance.now())
    const isUnseen = resetCode === NGHTTP2_REFUSED_STREAM && (this.body?.isWhole ?? true)
    const mayRepeat = isUnseen || (this.isSafeAndBodiless && !this.#retriedStale)
    if (this.headSent || !mayRepeat || !this.backend.budget.take(performance.now())) {
      return this.fail(lostError(error))
    }
    this.body?.hold()
    // The connection may have been about to close; its tunnel may be tried again, once.
    if (this.#retriedStale) this.noteFailure(tunnel, error)
    else this.lastFailure = error
    this.#retriedStale = true
    this.attempt()
  }

  protected override leave(): void {
    super.leave()
    this.#stream = undefined
  }

  protected override drop(): void {
    const stream = this.#stream
    this.leave()
    stream?.resume() // drop received bytes, or the stream never closes
    stream?.close(NGHTTP2_CANCEL)
  }

  protected override get source(): ClientHttp2Stream | undefined {
    return this.#stream
  }

  override tick(now: number): void {
    this.#grpc ??= readGrpcPatience(this.exchange, this.parts.timeouts.grpc_idle_seconds)
    if (this.#grpc && now > this.#grpc.endsAt && !this.answerDone) {
      return this.fail(new RelayError('app_timeout', { detail: 'the grpc-timeout of the call has passed' }))
    }
    super.tick(now)
  }

  /** A connection that opens has its own deadline. */
  protected override wait(seconds: number): void {
    if (!this.#stream) return
    if (this.#grpc) {
      if (this.headSent && seconds * 1000 > LASTING_AFTER_MS) this.last()
      if (seconds <= this.#grpc.silenceSeconds) return
      return this.fail(new RelayError('app_timeout', { detail: 'the gRPC call is silent' }))
    }
    if (this.headSent) this.waitForMore(seconds)
    else this.waitForAnswer(seconds, this.waitsForBody)
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

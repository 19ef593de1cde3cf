// An ordinary request to an app that speaks HTTP/1.1. Only GET, HEAD and OPTIONS without a body use pooled streams.
// Until the agent's reply the body is kept, so that a refused exchange can go to the next tunnel.

import type { StreamReply } from '@sallyport/protocol'

import { RelayError } from '../../errors.ts'
import type { Tunnel } from '../../tunnel/tunnel.ts'
import { PROBE_AFTER_MS } from '../transfer/deadlines.ts'
import {
  authenticatesConnection,
  decideHead,
  passHead,
  requestTrailersOf,
  writeRequestHead,
} from '../transfer/headers.ts'
import { lostError } from '../transfer/refusal.ts'
import type { ResponseHead } from '../transfer/response-head.ts'
import { DISCARDED_MAX_BYTES } from '../transfer/transfer.ts'
import { RequestTransfer } from '../transfer/request-transfer.ts'
import type { TransferParts } from '../transfer/transfer-parts.ts'
import { Http1Connection } from './http1-connection.ts'
import type { Http1Handler } from './http1-connection.ts'
import type { Http1Pool } from './http1-pool.ts'

// An answer up to this size leaves as one text with its head; above it, making the text costs more than it saves.
const ONE_TEXT_BYTES = 4096
const CRLF = Buffer.from('\r\n')

/** With the kept streams. */
export interface Http1Parts extends TransferParts {
  readonly http1: Http1Pool
}

export class Http1Transfer extends RequestTransfer implements Http1Handler {
  declare protected readonly parts: Http1Parts
  #connection: Http1Connection | undefined
  #retriedStale = false
  #headWaits = false
  /** The names in the answer's `Connection`. */
  #responseOptions: ReadonlySet<string> | undefined
  #canPool = true

  // ── towards the app ────────────────────────────────────────────────────────────────────────────

  protected override speaks({ upstreamProtocol }: Tunnel): boolean {
    return upstreamProtocol !== 'http2'
  }

  protected override send(tunnel: Tunnel): void {
    const { exchange, parts } = this
    // The app may be about to close a kept stream, so only a request that may be sent again uses it.
    let connection = this.isSafeAndBodiless && !this.#retriedStale ? parts.http1.take(tunnel) : undefined
    try {
      connection ??= new Http1Connection(tunnel, exchange.clientIp, parts.limits.upstream_header_bytes, parts.onFault)
    } catch (error) {
      this.noteFailure(tunnel, error as Error) // pickLane and openStream throw only ProtocolError
      return this.attempt() // nothing was sent, so it costs no retry
    }
    this.#connection = connection
    this.enter(tunnel)
    connection.begin(exchange.method, this)
    connection.stream.write(Buffer.from(writeRequestHead(exchange, tunnel.hostHeader, this.framing), 'latin1'))
    this.body?.send()
  }

  override sendBody(chunk: Buffer): boolean {
    const stream = this.#connection?.stream
    if (!stream) return true
    if (this.framing.type === 'length') return stream.write(chunk)
    stream.write(Buffer.from(`${chunk.length.toString(16)}\r\n`, 'latin1'))
    stream.write(chunk)
    return stream.write(CRLF)
  }

  override endBody(): void {
    if (this.framing.type !== 'chunked') return
    const trailers = requestTrailersOf(this.exchange)
    const lines = trailers.map(([name, value]) => `${name}: ${value}\r\n`).join('')
    this.#connection?.stream.write(Buffer.from(`0\r\n${lines}\r\n`, 'latin1'))
  }

  override onBodyFull(): void {
    // The rest waits for the agent's reply; until then everything must be repeatable.
  }

  onReply(reply: StreamReply): void {
    this.lastProgress = performance.now()
    if (reply.ok) return this.body?.letGo()
    const tunnel = this.tunnel! // a reply comes only from the tunnel that has the exchange
    this.proveUnsent()
    this.leave()
    this.noteFailure(tunnel, reply)
    if (!this.isOver) this.attempt(true)
  }

  // ── towards the visitor ────────────────────────────────────────────────────────────────────────

  onInformation({ status, rawHeaders }: ResponseHead): void {
    this.inform(status, rawHeaders)
  }

  onHead(head: ResponseHead): void {
    const chunked = head.framing === 'chunked' && this.exchange.request.httpVersionMinor > 0
    const decided = decideHead(this.exchange, head, chunked, this.tunnel)
    if (decided) this.hold(decided, () => this.#passOn(head, chunked))
    else this.#passOn(head, chunked)
  }

  #passOn(head: ResponseHead, chunked: boolean): void {
    const filtered = passHead(this.exchange, head, chunked, this.tunnel)
    if (!head.keepAlive || filtered.authenticatesConnection || head.framing === 'close') this.#canPool = false
    if (filtered.instead) {
      this.answerInstead(head.status, filtered.instead)
      // A body that is long, or of unknown length, is not worth its way through the tunnel.
      if (head.framing === 'close' || Number(head.framing) > DISCARDED_MAX_BYTES) this.drop()
      return
    }
    // The answer has come before the end of the request, so the rest could be read as the next request (RFC 9112 9.3).
    if (this.isSending) {
      this.#canPool = false
      filtered.headers.push('Connection', 'close')
    }
    this.#responseOptions = head.connectionOptions
    this.#headWaits = true
    this.answerHead(head.status, filtered)
  }

  /** The head leaves together with the bytes that came with it; if none did, it does not wait. */
  onFed(): void {
    if (this.isHolding) return this.keep(() => this.onFed())
    if (!this.#headWaits) return
    this.#headWaits = false
    if (!this.isOver && !this.answerDone) this.exchange.response.flushHeaders()
  }

  onBody(chunk: Buffer, isLast: boolean): void {
    if (this.isOver) return
    if (this.isHolding) return this.keep(() => this.onBody(chunk, isLast))
    if (this.isReplaced) return this.discard(chunk)
    const isWhole = isLast && this.#headWaits
    this.#headWaits = false
    this.lastProgress = performance.now()
    if (!isLast) return this.answerBody(chunk)
    this.answerDone = true
    const { response } = this.exchange
    // Head and body as one text of bytes: node:http writes it from the stack, but two pieces through the heap.
    if (isWhole && chunk.length <= ONE_TEXT_BYTES) response.end(chunk.toString('latin1'), 'latin1')
    else response.end(chunk)
  }

  onTrailers(rawTrailers: string[]): void {
    if (this.isHolding) return this.keep(() => this.onTrailers(rawTrailers))
    this.answerTrailers(rawTrailers, this.#responseOptions)
  }

  onComplete(): void {
    if (this.isHolding) return this.keep(() => this.onComplete())
    const connection = this.#connection
    this.leave()
    if (connection) {
      if (this.#canPool && !this.isSending && !this.isOver && this.#mayPoolRequest()) {
        connection.stream.resume()
        this.parts.http1.put(connection, !this.isSafeAndBodiless)
      } else connection.destroy()
    }
    if (!this.answerDone && !this.isOver) {
      this.answerDone = true
      this.exchange.response.end()
    }
  }

  onUpgrade(): void {
    // The parser refuses 101 without a requested upgrade.
  }

  // ── ends ───────────────────────────────────────────────────────────────────────────────────────

  onLost(error: Error): void {
    if (this.isHolding) return this.keep(() => this.onLost(error))
    const connection = this.#connection! // the connection itself calls this
    this.leave()
    if (this.isOver || this.answerDone) return
    if (this.headSent) return this.fail(lostError(error))
    if (!connection.isConnected) {
      // The reply may have been on its way, and the request at the app: only a safe request is repeated.
      if (this.exchange.isSafe) return this.leaveLane(connection.lane, error)
      return this.fail(lostError(error))
    }
    const wasPooled = connection.idleSince > 0
    // The app may have closed a kept stream before the request came. Bytes without a whole head, or that are not an
    // answer, probably belong to the previous answer. Only a request that may be sent again uses such a stream.
    if (wasPooled && !this.#retriedStale) {
      this.#retriedStale = true
      return this.attempt()
    }
    // An app that hangs up at once is as fast as one that answers 500.
    this.backend.note(this.exchange, connection.tunnel, true, performance.now())
    this.fail(lostError(error))
  }

  /** The agent's session is silent: a safe request goes to a sibling. */
  #leaveSilent(): void {
    const failure = new RelayError('app_timeout', { detail: 'no reply of the agent' })
    const connection = this.#connection
    if (!connection || !this.#isRepeatable) return this.fail(failure)
    this.leave()
    connection.destroy()
    this.lastProgress = performance.now()
    this.leaveLane(connection.lane, failure)
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

  /** Whether the request changes nothing, and is completely kept. */
  get #isRepeatable(): boolean {
    return this.exchange.isSafe && (this.body?.isWhole ?? true)
  }

  #mayPoolRequest(): boolean {
    return !authenticatesConnection(this.exchange.header('authorization'))
  }

  protected override wait(seconds: number): void {
    const connection = this.#connection
    const session = connection?.lane.session
    if (!this.headSent && session?.isSilent && this.#isRepeatable && !connection?.hasAnswered)
      return this.#leaveSilent()
    if (!this.headSent && seconds * 1000 > PROBE_AFTER_MS) session?.probe()
    if (!connection?.isConnected) {
      if (seconds > this.parts.timeouts.app_reply_seconds) this.#leaveSilent()
    } else if (this.headSent) this.waitForMore(seconds)
    else this.waitForAnswer(seconds, this.waitsForBody)
  }
}

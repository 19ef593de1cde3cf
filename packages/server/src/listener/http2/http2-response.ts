// The answer to an HTTP/2 visitor. The head waits for the body, so that an answer without a body is a single frame. An
// answer that breaks off ends with RST_STREAM, never with END_STREAM (RFC 9113 8.1).

import { constants } from 'node:http2'
import type { ServerHttp2Stream } from 'node:http2'

import { validateHeaderValue } from '@sallyport/protocol/node-http'

import type { VisitorResponse } from '../../exchange/exchange.ts'
import { trailersByName } from '../../exchange/trailers-by-name.ts'

// RFC 9113 8.2.2: these belong to a connection of HTTP/1.1.
const OF_THE_CONNECTION = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
  'te',
])

// How long the rest of the request may still come after an early answer. An immediate reset would be allowed, but
// HAProxy 2.6 then drops bytes that it has not passed on yet, and httpx fails if the reset crosses its own END_STREAM,
// which often follows at once. This time is enough for a round trip and a busy proxy; HTTP/1.1 keeps reading for longer
// (linger.ts). Meanwhile, the stream counts as open. See decision 23.
const LAST_BYTES_MS = 500

const RESET_CONTENT = 205 // RFC 9110 15.3.6: no content, whatever the app sends

export class Http2Response implements VisitorResponse {
  statusCode = 0
  readonly #stream: ServerHttp2Stream
  readonly #isHead: boolean
  #head: string[] | undefined
  #trailers: [name: string, value: string][] | undefined
  #hasLength = false
  #hasEnded = false
  #waitsForTrailers = false
  /** A callback for the end of the answer, if the request may continue after it. */
  #waiting: (() => void)[] | undefined

  constructor(stream: ServerHttp2Stream, isHead: boolean) {
    this.#stream = stream
    this.#isHead = isHead
    // A reset without an error code would otherwise wait until the body has been read.
    stream.once('aborted', () => process.nextTick(() => stream.destroy()))
  }

  get headersSent(): boolean {
    return this.statusCode !== 0
  }

  /** Whether nothing more can reach the visitor. */
  get destroyed(): boolean {
    return this.#stream.destroyed || (this.#stream.closed && !this.#hasEnded)
  }

  /** @throws if a value of the relay's own is not valid in a header */
  writeHead(status: number, headers: Record<string, string | number | string[]> | string[]): void {
    if (this.headersSent) throw new Error('the head has been written')
    if (!Array.isArray(headers)) checkValues(headers)
    this.statusCode = status
    const head = [':status', String(status)]
    if (Array.isArray(headers)) {
      for (let i = 0; i < headers.length; i += 2) this.#addTo(head, headers[i]!, headers[i + 1]!) // pairs
    } else {
      for (const [name, value] of Object.entries(headers)) {
        for (const each of Array.isArray(value) ? value : [String(value)]) this.#addTo(head, name, each)
      }
    }
    this.#head = head
  }

  flushHeaders(): void {
    this.#flush(false)
  }

  write(chunk: Buffer | string): boolean {
    this.#flush(false)
    // After the head of an answer without a body the stream has ended, and would never emit 'drain'.
    return this.#stream.destroyed || this.#isBodiless || this.#stream.write(chunk)
  }

  end(chunk?: Buffer | string, encoding?: 'latin1'): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    const stream = this.#stream
    const isEmpty = chunk === undefined || chunk.length === 0 || this.#isBodiless
    if (this.#head && isEmpty && !this.#trailers) this.#flush(true)
    else {
      this.#flush(false)
      if (!stream.destroyed)
        stream.end(isEmpty ? undefined : typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk)
    }
    // RFC 9113 8.1: an answer before the whole request asks the visitor to stop sending. After trailers, see #flush().
    if (!this.#waitsForTrailers) this.#stopRequest()
  }

  addTrailers(trailers: [name: string, value: string][]): void {
    if (trailers.length > 0) this.#trailers = trailers
  }

  writeContinue(): void {
    this.#inform({ ':status': 100 })
  }

  writeInterim(status: number): void {
    this.#inform({ ':status': status })
  }

  writeHints(links: readonly string[]): void {
    this.#inform({ ':status': 103, link: [...links] })
  }

  on(event: 'close', listener: () => void): void {
    this.#stream.on(event, listener)
    if (!this.#stream.endAfterHeaders) (this.#waiting ??= []).push(listener)
  }

  off(event: 'close', listener: () => void): void {
    this.#stream.off(event, listener)
    this.#waiting = this.#waiting?.filter((each) => each !== listener)
  }

  once(event: 'close' | 'drain', listener: () => void): void {
    this.#stream.once(event, listener)
  }

  destroy(): void {
    // Without an error node:http2 resets with NO_ERROR, which says that all is well.
    if (!this.#stream.destroyed) this.#stream.destroy(new Error('the exchange was cut'))
  }

  /** Sends the waiting head. */
  #flush(endStream: boolean): void {
    const head = this.#head
    const stream = this.#stream
    if (!head) return
    this.#head = undefined
    if (stream.destroyed || stream.closed) return
    // Only an answer of unknown length can have trailers, because they cost a turn of the event loop.
    const waitForTrailers = !endStream && !this.#hasLength && !this.#isBodiless
    this.#waitsForTrailers = waitForTrailers
    if (waitForTrailers) {
      stream.once('wantTrailers', () => {
        this.#sendTrailers()
        setImmediate(() => this.#stopRequest()) // node:http2 sends trailers in an immediate, too
      })
    }
    try {
      stream.respond(head, { endStream, waitForTrailers })
    } catch (error) {
      // Node.js has refused a header. The visitor must not get a part of this answer.
      stream.destroy(error as Error) // respond() throws Errors
    }
  }

  /**
   * If node:http2 refuses a trailer, this answer must break off. Otherwise an incomplete answer would look
   * complete.
   */
  #sendTrailers(): void {
    const stream = this.#stream
    if (stream.destroyed || stream.closed) return
    try {
      stream.sendTrailers(trailersByName(this.#trailers ?? []))
    } catch (error) {
      stream.destroy(error as Error) // sendTrailers() throws Errors
    }
  }

  get #isBodiless(): boolean {
    const { statusCode } = this
    return this.#isHead || statusCode === 204 || statusCode === RESET_CONTENT || statusCode === 304
  }

  #addTo(head: string[], name: string, value: string): void {
    const lower = name.toLowerCase()
    if (OF_THE_CONNECTION.has(lower)) return
    if (lower === 'content-length') {
      if (this.statusCode === RESET_CONTENT) return // node:http2 sends it without a body, even if the app announces one
      this.#hasLength = true
    }
    head.push(lower, value)
  }

  #inform(headers: Record<string, number | string[]>): void {
    const stream = this.#stream
    if (!this.headersSent && !stream.closed && !stream.destroyed) stream.additionalHeaders(headers)
  }

  #stopRequest(): void {
    const stream = this.#stream
    if (stream.endAfterHeaders || stream.readableEnded || stream.closed || stream.destroyed) return
    stream.resume() // drops received bytes; otherwise it would never close, because nothing reads it any more
    // The reset waits until the answer has been sent. Otherwise node:http2 would delay it until then, but treat the
    // stream as closed at once, and send no reset if the stream is destroyed then. nghttp2 would still have bytes for
    // the stream, ask for them, get the answer "none, and not the end", and make empty DATA frames without end, so that
    // the process hangs and takes all memory (Node.js 24.21).
    if (!stream.writableFinished) return void stream.once('finish', () => this.#stopRequest())
    // The exchange ends with its answer, even if more of the request comes.
    for (const listener of this.#waiting ?? []) {
      stream.off('close', listener)
      listener()
    }
    const timer = setTimeout(() => stream.close(constants.NGHTTP2_NO_ERROR), LAST_BYTES_MS)
    stream.once('close', () => clearTimeout(timer))
  }
}

/**
 * As in node:http; node:http2 itself would only reset the visitor's stream. Values of apps have been checked by our
 * parser.
 */
function checkValues(headers: Record<string, string | number | string[]>): void {
  for (const [name, value] of Object.entries(headers)) {
    for (const each of Array.isArray(value) ? value : [String(value)]) validateHeaderValue(name, each)
  }
}

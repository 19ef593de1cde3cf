// A request of an HTTP/2 visitor, in the form for the rooms after the listener. The head has been admitted; the body
// comes directly from the stream.

import type { ServerHttp2Stream } from 'node:http2'

import type { VisitorRequest } from '../../exchange/exchange.ts'
import type { Http2Head } from './http2-admission.ts'

export class Http2Request implements VisitorRequest {
  readonly method: string
  readonly url: string
  readonly rawHeaders: readonly string[]
  rawTrailers: readonly string[] = []
  /** Trailers and interim responses are possible, as on HTTP/1.1. */
  readonly httpVersionMinor = 1
  readonly httpVersion = '2.0'
  readonly #stream: ServerHttp2Stream

  constructor(stream: ServerHttp2Stream, head: Pick<Http2Head, 'method' | 'target' | 'rawHeaders'>) {
    this.#stream = stream
    this.method = head.method
    this.url = head.target
    this.rawHeaders = head.rawHeaders
    if (!stream.endAfterHeaders) stream.on('trailers', (_, __, raw) => (this.rawTrailers = raw))
  }

  get complete(): boolean {
    return this.#stream.endAfterHeaders || this.#stream.readableEnded
  }

  on(event: 'data', listener: (chunk: Buffer) => void): void
  on(event: 'end', listener: () => void): void
  on(event: 'data' | 'end', listener: (chunk: Buffer) => void): void {
    if (event === 'data') {
      this.#stream.on('data', listener)
      return
    }
    this.#stream.on('end', () => {
      // node:http2 also ends a body that the visitor has cut off by a reset. A part of a body must not look complete.
      if (!this.#stream.closed) (listener as () => void)() // the overload of 'end'
    })
  }

  pause(): void {
    this.#stream.pause()
  }

  resume(): void {
    this.#stream.resume()
  }
}

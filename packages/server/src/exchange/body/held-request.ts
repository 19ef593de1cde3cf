// A request whose body has been read ahead. It is the same request, and its body can be read once more.

import { Readable } from 'node:stream'

import type { VisitorRequest } from '../exchange.ts'

const PIECE_BYTES = 64 * 1024 // as from sockets; the limits of later buffers assume pieces of this size

export class HeldRequest implements VisitorRequest {
  readonly body: Buffer
  readonly rawHeaders: readonly string[]
  readonly complete = true
  readonly #request: VisitorRequest
  readonly #pieces: Readable

  constructor(request: VisitorRequest, body: Buffer) {
    this.#request = request
    this.body = body
    this.rawHeaders = withoutExpectation(request.rawHeaders)
    // The body is complete and bounded: read() has nothing to do.
    this.#pieces = new Readable({ read() {}, highWaterMark: PIECE_BYTES })
    for (let at = 0; at < body.length; at += PIECE_BYTES) this.#pieces.push(body.subarray(at, at + PIECE_BYTES))
    this.#pieces.push(null)
  }

  get method(): string | undefined {
    return this.#request.method
  }

  get url(): string | undefined {
    return this.#request.url
  }

  get rawTrailers(): readonly string[] {
    return this.#request.rawTrailers
  }

  get httpVersion(): string | undefined {
    return this.#request.httpVersion
  }

  get httpVersionMinor(): number {
    return this.#request.httpVersionMinor
  }

  on(event: 'data' | 'end', listener: ((chunk: Buffer) => void) | (() => void)): void {
    this.#pieces.on(event, listener)
  }

  pause(): void {
    this.#pieces.pause()
  }

  resume(): void {
    this.#pieces.resume()
  }
}

/**
 * RFC 9110 10.1.1: the expectation was met when the body was read. If the app got it, the visitor would be told to
 * continue twice.
 */
function withoutExpectation(rawHeaders: readonly string[]): readonly string[] {
  const isExpectation = (name: string): boolean => name.length === 6 && name.toLowerCase() === 'expect'
  if (!rawHeaders.some((name, index) => index % 2 === 0 && isExpectation(name))) return rawHeaders
  return rawHeaders.filter((_, index) => !isExpectation(rawHeaders[index - (index % 2)]!)) // pairs
}

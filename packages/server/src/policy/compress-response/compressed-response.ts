// A visitor's response with a compressor in front of it. It decides whether to compress when the head is written,
// because the head is final then.
//
// Back-pressure passes through: the compressor stops if the visitor takes nothing, and write() returns false. Written
// bytes leave at every pause, so a stream of events is not delayed. The compressor ends whenever the response ends,
// complete or not.

import { flatHeaders } from '../../exchange/visitor/flat-headers.ts'
import type { VisitorHeaders, VisitorResponse } from '../../exchange/visitor/visitor-response.ts'
import type { Algorithm } from './algorithms.ts'
import { encodedHead, isCompressible, varying } from './compressible.ts'
import { createEncoder, flushKindOf } from './encoder.ts'
import type { Encoder } from './encoder.ts'

export class CompressedResponse implements VisitorResponse {
  readonly #to: VisitorResponse
  readonly #method: string
  readonly #algorithm: Algorithm | undefined
  #encoder: Encoder | undefined
  /** Pieces that the compressor has not taken in yet. */
  #pending = 0
  #flushIsDue = false
  #hasHead = false
  #hasEnded = false

  /** @param algorithm undefined if the visitor accepts none of ours */
  constructor(to: VisitorResponse, method: string, algorithm: Algorithm | undefined) {
    this.#to = to
    this.#method = method
    this.#algorithm = algorithm
  }

  get headersSent(): boolean {
    return this.#to.headersSent
  }

  get destroyed(): boolean {
    return this.#to.destroyed
  }

  get statusCode(): number {
    return this.#to.statusCode
  }

  writeHead(status: number, headers: VisitorHeaders | string[]): void {
    const list = Array.isArray(headers) ? headers : flatHeaders(headers)
    // A second head comes only if the first was refused, and then it is the relay's own.
    const isOwn = this.#hasHead
    this.#hasHead = true
    if (isOwn || !isCompressible(this.#method, status, list)) return void this.#to.writeHead(status, headers)
    const head = varying(list)
    const algorithm = this.#algorithm
    if (!algorithm) return void this.#to.writeHead(status, head)
    this.#to.writeHead(status, encodedHead(head, algorithm))
    this.#begin(algorithm)
  }

  #begin(algorithm: Algorithm): void {
    const to = this.#to
    const encoder = createEncoder(algorithm)
    this.#encoder = encoder
    encoder.on('data', (chunk: Buffer) => {
      if (to.write(chunk)) return
      encoder.pause()
      to.once('drain', () => encoder.resume())
    })
    encoder.on('end', () => to.end())
    encoder.on('error', () => to.destroy()) // a part must not look like the whole
    to.on('close', () => encoder.destroy())
  }

  flushHeaders(): void {
    this.#to.flushHeaders()
  }

  write(chunk: Buffer | string): boolean {
    const encoder = this.#encoder
    if (!encoder) return this.#to.write(chunk)
    if (encoder.destroyed || this.#hasEnded) return true
    this.#pending++
    return encoder.write(chunk, this.#onTaken)
  }

  end(chunk?: Buffer | string, encoding?: 'latin1'): void {
    const encoder = this.#encoder
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk
    if (!encoder) return void this.#to.end(bytes)
    if (encoder.destroyed || this.#hasEnded) return
    this.#hasEnded = true
    encoder.end(bytes)
  }

  readonly #onTaken = (): void => {
    this.#pending--
    if (this.#pending > 0 || this.#flushIsDue) return
    this.#flushIsDue = true
    setImmediate(this.#flush)
  }

  /** A pause is a turn of the event loop without bytes. */
  readonly #flush = (): void => {
    this.#flushIsDue = false
    const encoder = this.#encoder
    if (!encoder || encoder.destroyed || this.#hasEnded || this.#pending > 0) return
    encoder.flush(flushKindOf(this.#algorithm!)) // there is a compressor for one
  }

  addTrailers(trailers: [name: string, value: string][]): void {
    this.#to.addTrailers(trailers)
  }

  writeContinue(): void {
    this.#to.writeContinue()
  }

  writeInterim(status: number): void {
    this.#to.writeInterim(status)
  }

  writeHints(links: readonly string[]): void {
    this.#to.writeHints(links)
  }

  on(event: 'close', listener: () => void): void {
    this.#to.on(event, listener)
  }

  off(event: 'close', listener: () => void): void {
    this.#to.off(event, listener)
  }

  once(event: 'close' | 'drain', listener: () => void): void {
    if (event === 'drain' && this.#encoder) this.#encoder.once('drain', listener)
    else this.#to.once(event, listener)
  }

  destroy(): void {
    this.#encoder?.destroy()
    this.#to.destroy()
  }
}

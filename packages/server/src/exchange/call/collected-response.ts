// The response of an exchange that a policy has made: it is kept here, up to a bound, and nothing of it is sent to a visitor.

import { EventEmitter } from 'node:events'

import { RelayError } from '../../errors.ts'
import { flatHeaders } from '../visitor/flat-headers.ts'
import type { VisitorHeaders, VisitorResponse } from '../visitor/visitor-response.ts'
import type { InternalAnswer } from './internal-call.ts'

export class CollectedResponse extends EventEmitter implements VisitorResponse {
  statusCode = 0
  destroyed = false
  /** Resolves when nothing more will come. */
  readonly closed: Promise<void>
  readonly #maxBytes: number
  #rawHeaders: readonly string[] = []
  #chunks: Buffer[] = []
  #bytes = 0
  #isComplete = false

  constructor(maxBytes: number) {
    super()
    this.#maxBytes = maxBytes
    this.closed = new Promise((resolve) => this.once('close', resolve))
  }

  get headersSent(): boolean {
    return this.statusCode !== 0
  }

  /** @throws RelayError `app_bad_answer` for one that is too long or not whole */
  answer(): InternalAnswer {
    if (this.#bytes > this.#maxBytes) {
      throw new RelayError('app_bad_answer', { detail: `the answer has more than ${this.#maxBytes} bytes` })
    }
    if (!this.#isComplete) throw new RelayError('app_bad_answer', { detail: 'the answer broke off' })
    return { status: this.statusCode, rawHeaders: this.#rawHeaders, body: Buffer.concat(this.#chunks) }
  }

  writeHead(status: number, headers: VisitorHeaders | string[]): void {
    this.statusCode = status
    this.#rawHeaders = Array.isArray(headers) ? headers : flatHeaders(headers)
  }

  write(chunk: Buffer | string): boolean {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk, 'latin1') : chunk
    this.#bytes += bytes.length
    if (this.#bytes > this.#maxBytes) this.destroy()
    else this.#chunks.push(bytes)
    return true
  }

  end(chunk?: Buffer | string): void {
    if (chunk !== undefined) this.write(chunk)
    if (this.destroyed || this.#isComplete) return
    this.#isComplete = true
    process.nextTick(() => this.emit('close'))
  }

  destroy(): void {
    if (this.destroyed || this.#isComplete) return
    this.destroyed = true
    this.#chunks = []
    process.nextTick(() => this.emit('close'))
  }

  flushHeaders(): void {
    // Nobody waits for them.
  }

  addTrailers(): void {
    // No variable has them.
  }

  writeContinue(): void {
    // The whole body is here already.
  }

  writeInterim(): void {
    // Only the answer counts.
  }

  writeHints(): void {
    // Only the answer counts.
  }
}

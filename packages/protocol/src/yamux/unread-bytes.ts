// Counts the unread bytes of one session's streams, and chooses the stream to reset if memory is short. The streams
// give credit, and the budget counts the memory of all sessions.

import { ProtocolError } from '../process/errors.ts'
import type { BufferBudget, BufferHolder } from './buffer-budget.ts'
import type { YamuxStream } from './stream.ts'

// Shares of the limit. From half on, windows stop growing, and those of slow readers shrink; from three quarters on, a
// stream that has stalled for long is reset; at the limit, the stream that has stalled longest, however short that was.
const TIGHT_SHARE = 0.5
const SHORT_SHARE = 0.75
const MAX_BUFFERED_BYTES = 32 * 1024 * 1024 // several sessions fit a small heap even when all are at the cap

export interface UnreadBounds {
  /** The limit of this session; by default the budget's, and without a budget 32 MiB. */
  readonly maxBufferedBytes?: number
  /** If memory is short, a stream whose reader has stalled for this long is reset before the session is full. */
  readonly stallLimitMs: number
  /** Of all sessions together. */
  readonly budget?: BufferBudget
}

export class UnreadBytes implements BufferHolder {
  readonly #maxBytes: number
  readonly #stallLimitMs: number
  readonly #budget: BufferBudget | undefined
  #bytes = 0
  /** Streams with unread bytes → when their reader last moved, the longest ago first. Made with the first entry. */
  #stalled: Map<YamuxStream, number> | undefined

  constructor({ maxBufferedBytes, stallLimitMs, budget }: UnreadBounds) {
    this.#maxBytes = maxBufferedBytes ?? budget?.sessionMaxBytes ?? MAX_BUFFERED_BYTES
    this.#stallLimitMs = stallLimitMs
    this.#budget = budget
  }

  get bufferedBytes(): number {
    return this.#bytes
  }

  /** Whether windows must not grow: credit cannot be recalled, so they stop well before the cap is reached. */
  get isTight(): boolean {
    return this.#isPast(TIGHT_SHARE)
  }

  /** Negative for bytes that have been read. */
  add(bytes: number): void {
    this.#bytes += bytes
    this.#budget?.add(bytes)
  }

  /** Bytes wait for the reader of this stream. May reset this or another stream. */
  stalled(stream: YamuxStream): void {
    const stalled = (this.#stalled ??= this.#firstStall())
    if (!stalled.has(stream)) stalled.set(stream, performance.now())
    if (this.#isPast(SHORT_SHARE)) this.#sacrifice(performance.now())
  }

  /** The reader of this stream took bytes; `waiting` says whether more wait. */
  progressed(stream: YamuxStream, waiting: boolean): void {
    this.#stalled?.delete(stream)
    if (waiting) this.#stalled?.set(stream, performance.now())
  }

  /** The stream is gone. */
  forget(stream: YamuxStream): void {
    this.#stalled?.delete(stream)
  }

  /** The session has ended. */
  leaveBudget(): void {
    this.#budget?.leave(this)
  }

  /** Resets the stream whose reader has stalled longest. */
  giveUpOne(): boolean {
    for (const stream of this.#stalled?.keys() ?? []) {
      stream.destroy(new ProtocolError('buffer_exhausted', `stream ${stream.id} was not read for too long`))
      return true
    }
    return false
  }

  #isPast(share: number): boolean {
    return this.#bytes > this.#maxBytes * share || (this.#budget?.isPast(share) ?? false)
  }

  #firstStall(): Map<YamuxStream, number> {
    this.#budget?.join(this)
    return new Map()
  }

  /**
   * Resets streams that have not been read for long. If that is not enough, above the limit, it resets the stream whose
   * reader has stalled longest, so that its siblings need not wait for it.
   */
  #sacrifice(now: number): void {
    for (const since of this.#stalled?.values() ?? []) {
      const isOver = this.#bytes > this.#maxBytes
      if (!isOver && (now - since < this.#stallLimitMs || !this.#isPast(SHORT_SHARE))) break
      this.giveUpOne()
    }
    this.#budget?.shrink()
  }
}

// What the streams of one session hold unread, and which stream goes when memory is short. It counts and chooses; credit
// is the stream's business, and the memory of all sessions that of the budget.

import { ProtocolError } from '../process/errors.ts'
import type { BufferBudget, BufferHolder } from './buffer-budget.ts'
import type { YamuxStream } from './stream.ts'

// Of what may be buffered. From half on windows stop growing, and those of slow readers shrink; from three quarters on a
// stream goes that has stood still for long; at the whole the one that has stood still longest, however short that was.
const TIGHT_SHARE = 0.5
const SHORT_SHARE = 0.75
const MAX_BUFFERED_BYTES = 32 * 1024 * 1024 // several sessions fit a small heap even when all are at the cap

export interface UnreadBounds {
  /** Of this session; without it the budget says, and without that it is 32 MiB. */
  readonly maxBufferedBytes?: number
  /** When memory is short, a stream whose reader has stood still for this long goes before the session is full. */
  readonly stallLimitMs: number
  /** Of all sessions together. */
  readonly budget?: BufferBudget
}

export class UnreadBytes implements BufferHolder {
  readonly #maxBytes: number
  readonly #stallLimitMs: number
  readonly #budget: BufferBudget | undefined
  #bytes = 0
  /** Streams with unread bytes, the one whose reader moved longest ago first, and when that was. Made with the first. */
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

  /** The session is over. */
  leaveBudget(): void {
    this.#budget?.leave(this)
  }

  /** Resets the stream whose reader has stood still longest. */
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
   * Streams that have not been read for long go. If that is not enough, over the cap, the stream whose reader has not
   * moved for longest goes, so that its siblings need not wait for it.
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

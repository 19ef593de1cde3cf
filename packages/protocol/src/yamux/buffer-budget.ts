// How many received and unread bytes all sessions of a process may hold together, and how many each. The first limit
// keeps a thousand sessions, each at a tenth of its own, from filling the memory; the second keeps one session from
// taking the share of all. Pure: counting only.

const MIB = 1024 * 1024

// Waiting bytes are outside the heap; but the heap limit reflects the memory of machine or container (Node.js sets it
// to half of that, 4 GiB at most), or the operator's setting. So this is an eighth of the memory, 1 GiB at most.
const SHARE_OF_HEAP_LIMIT = 1 / 4
const SESSION_SHARE = 1 / 4
const SESSION_BYTES = { min: 32 * MIB, max: 256 * MIB } // 128 and 1024 streams that are not read at all

/** A session that holds unread bytes. */
export interface BufferHolder {
  readonly bufferedBytes: number
  /** Resets the stream whose reader has stalled longest. False if there is none. */
  giveUpOne(): boolean
}

export class BufferBudget {
  readonly maxBytes: number
  readonly sessionMaxBytes: number
  readonly #holders = new Set<BufferHolder>()
  #usedBytes = 0

  /**
   * @param heapLimit `heap_size_limit` of this process, in bytes
   * @param processes how many of its kind share the machine
   * @param sessionMaxBytes of each session, if configured
   */
  static ofHeap(heapLimit: number, processes = 1, sessionMaxBytes?: number): BufferBudget {
    const maxBytes = Math.floor((heapLimit * SHARE_OF_HEAP_LIMIT) / processes)
    const share = Math.max(SESSION_BYTES.min, Math.min(SESSION_BYTES.max, Math.floor(maxBytes * SESSION_SHARE)))
    return new BufferBudget(maxBytes, sessionMaxBytes ?? share)
  }

  constructor(maxBytes: number, sessionMaxBytes = maxBytes) {
    this.maxBytes = maxBytes
    this.sessionMaxBytes = sessionMaxBytes
  }

  add(bytes: number): void {
    this.#usedBytes += bytes
  }

  /** Whether this share of the budget is used: 0.5 is half. */
  isPast(share: number): boolean {
    return this.#usedBytes > this.maxBytes * share
  }

  join(holder: BufferHolder): void {
    this.#holders.add(holder)
  }

  leave(holder: BufferHolder): void {
    this.#holders.delete(holder)
  }

  /**
   * The session that holds the most gives up streams until the rest fits, instead of the session that happens to
   * receive now.
   */
  shrink(): void {
    while (this.isPast(1)) {
      let largest: BufferHolder | undefined
      for (const holder of this.#holders) {
        if (holder.bufferedBytes > (largest?.bufferedBytes ?? 0)) largest = holder
      }
      if (!largest?.giveUpOne()) return
    }
  }
}

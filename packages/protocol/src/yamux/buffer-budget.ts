// How many received and unread bytes all sessions of a process may hold together. Each session has its own cap as well;
// this one keeps a thousand sessions at a tenth of theirs from filling the heap. Pure: counting only.

export class BufferBudget {
  readonly maxBytes: number
  #usedBytes = 0

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes
  }

  get usedBytes(): number {
    return this.#usedBytes
  }

  add(bytes: number): void {
    this.#usedBytes += bytes
  }

  /** Whether so large a share is used: 0.5 is half of the budget. */
  isPast(share: number): boolean {
    return this.#usedBytes > this.maxBytes * share
  }
}

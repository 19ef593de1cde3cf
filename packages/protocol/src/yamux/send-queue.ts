// Bytes that a stream's writer has handed over and that no message has taken yet. Chunks stay as they came until they
// are copied, once, into the message that carries them.

export class SendQueue {
  #bytes = 0
  readonly #chunks: Buffer[] = []
  #first = 0
  #firstOffset = 0

  get bytes(): number {
    return this.#bytes
  }

  push(chunk: Buffer): void {
    if (chunk.length === 0) return
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
  }

  /** Moves the oldest `count` bytes (there are that many) into `target`. */
  moveTo(target: Buffer, offset: number, count: number): void {
    let left = count
    let at = offset
    while (left > 0) {
      const chunk = this.#chunks[this.#first]
      if (!chunk) break
      const copied = chunk.copy(target, at, this.#firstOffset, Math.min(chunk.length, this.#firstOffset + left))
      at += copied
      left -= copied
      this.#firstOffset += copied
      if (this.#firstOffset === chunk.length) {
        this.#first++
        this.#firstOffset = 0
      }
    }
    this.#bytes -= count
    if (this.#bytes === 0) this.clear()
    else if (this.#first >= 32) this.#forget()
  }

  clear(): void {
    this.#chunks.length = 0
    this.#first = 0
    this.#firstOffset = 0
    this.#bytes = 0
  }

  /** Lets go of chunks that have left, now and then rather than one array shift each. */
  #forget(): void {
    this.#chunks.splice(0, this.#first)
    this.#first = 0
  }
}

// Received bytes that nobody has read yet. Counts bytes and keeps real memory close to that count: small pieces are
// merged into blocks, and a piece that would pin a much larger message is copied out of it. Without this, 256 KiB sent
// as one-byte frames to a paused reader would cost tens of megabytes in Buffer objects.

const SMALLEST_BLOCK_BYTES = 512
const LARGEST_BLOCK_BYTES = 16 * 1024

export class ReceiveQueue {
  #bytes = 0
  readonly #blocks: Buffer[] = []
  #tail: Buffer | undefined
  #tailUsed = 0

  get bytes(): number {
    return this.#bytes
  }

  push(piece: Buffer): void {
    if (isWorthKeeping(piece)) {
      this.#seal()
      this.#blocks.push(piece)
    } else {
      this.#merge(piece)
    }
    this.#bytes += piece.length
  }

  /** The oldest bytes, as many as lie together. */
  shift(): Buffer | undefined {
    if (this.#blocks.length === 0) this.#seal()
    const block = this.#blocks.shift()
    if (block) this.#bytes -= block.length
    return block
  }

  clear(): void {
    this.#blocks.length = 0
    this.#tail = undefined
    this.#bytes = 0
  }

  #merge(piece: Buffer): void {
    let offset = 0
    while (offset < piece.length) {
      // Blocks grow with the queue, so that ten thousand streams of one byte do not hold ten thousand large blocks.
      this.#tail ??= Buffer.allocUnsafeSlow(
        Math.min(LARGEST_BLOCK_BYTES, Math.max(SMALLEST_BLOCK_BYTES, piece.length - offset, this.#bytes)),
      )
      const copied = piece.copy(this.#tail, this.#tailUsed, offset)
      offset += copied
      this.#tailUsed += copied
      if (this.#tailUsed === this.#tail.length) this.#seal()
    }
  }

  #seal(): void {
    if (this.#tail) this.#blocks.push(this.#tail.subarray(0, this.#tailUsed))
    this.#tail = undefined
    this.#tailUsed = 0
  }
}

/** The piece itself if it may wait unchanged; otherwise a copy, which keeps no other memory alive. */
export function compact(piece: Buffer): Buffer {
  if (piece.length * 2 >= piece.buffer.byteLength) return piece
  const copy = Buffer.allocUnsafeSlow(piece.length)
  piece.copy(copy)
  return copy
}

function isWorthKeeping(piece: Buffer): boolean {
  return piece.length >= LARGEST_BLOCK_BYTES && piece.length * 2 >= piece.buffer.byteLength
}

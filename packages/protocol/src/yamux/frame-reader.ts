// Cuts a byte stream into yamux frames. Payloads are handed on as views of the chunk they came in, piece by piece, so
// no frame is ever collected and no length is believed before its bytes arrive; only a header split across chunks is
// copied. The session interprets the frames.

import { FLAGS_KNOWN, HEADER_BYTES, TYPE_DATA, TYPE_GO_AWAY, readUint32 } from './frame.ts'

export interface FrameSink {
  /** A whole header. For a Data frame with a payload: whether the payload is wanted; it is skipped otherwise. */
  onHeader(type: number, flags: number, streamId: number, length: number): boolean
  /** The next piece of the payload of the last header; `last` with its final piece. */
  onPayload(piece: Buffer, last: boolean): void
  /** Not yamux. The reader has stopped. */
  onMalformed(detail: string): void
}

export class FrameReader {
  readonly #sink: FrameSink
  /** Made only when a header comes in pieces: in an idle session it would be larger than the rest of the reader. */
  #split: Uint8Array | undefined
  #splitBytes = 0
  #payloadLeft = 0
  #payloadWanted = false
  #stopped = false

  constructor(sink: FrameSink) {
    this.#sink = sink
  }

  /** Takes the next bytes, which may be cut at any place. It must not be called from inside the sink. */
  push(chunk: Buffer): void {
    const end = chunk.length
    let offset = 0
    while (offset < end && !this.#stopped) {
      if (this.#payloadLeft > 0) {
        offset = this.#payload(chunk, offset)
      } else if (this.#splitBytes > 0 || end - offset < HEADER_BYTES) {
        offset = this.#splitHeader(chunk, offset)
      } else {
        this.#header(chunk, offset)
        offset += HEADER_BYTES
      }
    }
  }

  /** Nothing more reaches the sink, not even the rest of the chunk being read. */
  stop(): void {
    this.#stopped = true
  }

  #payload(chunk: Buffer, offset: number): number {
    const end = Math.min(chunk.length, offset + this.#payloadLeft)
    this.#payloadLeft -= end - offset
    if (this.#payloadWanted) this.#sink.onPayload(chunk.subarray(offset, end), this.#payloadLeft === 0)
    return end
  }

  #splitHeader(chunk: Buffer, offset: number): number {
    const split = (this.#split ??= new Uint8Array(HEADER_BYTES))
    const end = Math.min(chunk.length, offset + HEADER_BYTES - this.#splitBytes)
    for (let i = offset; i < end; i++) split[this.#splitBytes++] = chunk[i] ?? 0 // i is below chunk.length
    if (this.#splitBytes === HEADER_BYTES) {
      this.#splitBytes = 0
      this.#header(split, 0)
    }
    return end
  }

  #header(source: Uint8Array, offset: number): void {
    const versionAndType = ((source[offset] ?? 0) << 8) | (source[offset + 1] ?? 0)
    const flags = ((source[offset + 2] ?? 0) << 8) | (source[offset + 3] ?? 0)
    // Version 0 leaves the type alone in this number, so one comparison refuses both.
    if (versionAndType > TYPE_GO_AWAY) return this.#malformed(`frame version and type 0x${versionAndType.toString(16)}`)
    if (flags > FLAGS_KNOWN) return this.#malformed(`frame flags 0x${flags.toString(16)}`)
    const length = readUint32(source, offset + 8)
    const wanted = this.#sink.onHeader(versionAndType, flags, readUint32(source, offset + 4), length)
    if (versionAndType === TYPE_DATA) {
      this.#payloadLeft = length
      this.#payloadWanted = wanted
    }
  }

  #malformed(detail: string): void {
    this.#stopped = true
    this.#sink.onMalformed(detail)
  }
}

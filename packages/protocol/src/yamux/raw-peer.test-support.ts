// The far end of a carrier that speaks single frames, right or wrong ones. For tests.

import { HEADER_BYTES, TYPE_DATA, writeHeader } from './frame.ts'
import { FrameReader } from './frame-reader.ts'
import type { MemoryCarrier } from './memory-carrier.test-support.ts'

export interface Frame {
  type: number
  flags: number
  streamId: number
  length: number
  payload: Buffer
}

export class RawPeer {
  /** Everything received, in order. */
  readonly frames: Frame[] = []
  readonly carrier: MemoryCarrier
  #waiting: Array<{ matches: (frame: Frame) => boolean; resolve: (frame: Frame) => void }> = []

  constructor(carrier: MemoryCarrier) {
    this.carrier = carrier
    const reader = new FrameReader({
      onHeader: (type, flags, streamId, length) => {
        const frame = { type, flags, streamId, length, payload: Buffer.alloc(0) }
        this.frames.push(frame)
        if (type !== TYPE_DATA || length === 0) this.#arrived(frame)
        return true
      },
      onPayload: (piece, last) => {
        const frame = this.frames.at(-1)
        if (!frame) return
        frame.payload = Buffer.concat([frame.payload, piece])
        if (last) this.#arrived(frame)
      },
      onMalformed: (detail) => {
        throw new Error(`our own side sent ${detail}`)
      },
    })
    carrier.onMessage = (chunk) => reader.push(chunk)
  }

  /** The first frame, past or to come, that matches. */
  find(matches: (frame: Frame) => boolean): Promise<Frame> {
    const seen = this.frames.find(matches)
    if (seen) return Promise.resolve(seen)
    return new Promise((resolve) => this.#waiting.push({ matches, resolve }))
  }

  send(...frames: Buffer[]): void {
    this.carrier.send(Buffer.concat(frames), () => {})
  }

  #arrived(frame: Frame): void {
    this.#waiting = this.#waiting.filter(({ matches, resolve }) => {
      if (!matches(frame)) return true
      resolve(frame)
      return false
    })
  }
}

/** A frame; a Data frame states the length of its payload unless told to lie. */
export function frame(type: number, flags: number, streamId: number, lengthOrPayload: number | Buffer): Buffer {
  const payload = typeof lengthOrPayload === 'number' ? Buffer.alloc(0) : lengthOrPayload
  const header = Buffer.alloc(HEADER_BYTES)
  writeHeader(header, 0, type, flags, streamId, typeof lengthOrPayload === 'number' ? lengthOrPayload : payload.length)
  return Buffer.concat([header, payload])
}

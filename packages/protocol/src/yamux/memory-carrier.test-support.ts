// Two carriers joined in memory, for tests and the benchmark. A side can be held: it then keeps its messages, like a
// socket whose peer reads nothing.

import type { Carrier } from './carrier.ts'

type Sent = (error?: Error | null) => void

export class MemoryCarrier implements Carrier {
  onMessage: (chunk: Buffer) => void = ignore
  onClose: (error?: Error) => void = ignore
  bytesRead = 0
  bufferedBytes = 0
  messages = 0
  largestBufferedBytes = 0
  closeCode: number | undefined
  #peer: MemoryCarrier | undefined
  #waiting: Array<{ message: Buffer; sent: Sent }> = []
  #isHeld = false
  #isScheduled = false
  #isClosing = false
  #isClosed = false

  static pair(): [MemoryCarrier, MemoryCarrier] {
    const left = new MemoryCarrier()
    const right = new MemoryCarrier()
    left.#peer = right
    right.#peer = left
    return [left, right]
  }

  send(message: Buffer, sent: Sent): void {
    if (this.#isClosing) {
      setImmediate(sent, new Error('closed'))
      return
    }
    this.messages++
    this.bufferedBytes += message.length
    this.largestBufferedBytes = Math.max(this.largestBufferedBytes, this.bufferedBytes)
    this.#waiting.push({ message, sent })
    this.#schedule()
  }

  /** From now on, messages are kept. */
  hold(): void {
    this.#isHeld = true
  }

  /** Sends all kept messages, or only the next `count`. */
  release(count = Infinity): void {
    if (count === Infinity) {
      this.#isHeld = false
      this.#schedule()
      return
    }
    for (const { message, sent } of this.#waiting.splice(0, count)) this.#deliver(message, sent)
  }

  close(code: number): void {
    if (this.#isClosing) return
    this.#isClosing = true
    this.closeCode = code
    this.#schedule()
  }

  destroy(): void {
    this.#isClosing = true
    this.#waiting = []
    this.#finish()
  }

  #schedule(): void {
    if (this.#isScheduled || this.#isHeld) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      if (this.#isHeld) return
      for (const { message, sent } of this.#waiting.splice(0)) this.#deliver(message, sent)
      if (this.#isClosing) this.#finish()
    })
  }

  #deliver(message: Buffer, sent: Sent): void {
    this.bufferedBytes -= message.length
    const peer = this.#peer
    if (peer && !peer.#isClosed) {
      peer.bytesRead += message.length
      peer.onMessage(Buffer.from(message)) // its memory is used again
    }
    sent()
  }

  #finish(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    const peer = this.#peer
    setImmediate(() => {
      this.onClose()
      peer?.close(this.closeCode ?? 1000)
    })
  }
}

function ignore(): void {
  // Until the session has set its own.
}

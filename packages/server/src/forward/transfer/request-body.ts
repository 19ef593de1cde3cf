// The body of a request on its way to an app: read once it has a receiver, kept while it may have to be sent again, and
// paused while the receiver is slow.

import { within } from '../../exchange/border.ts'
import type { Bordered } from '../../exchange/border.ts'
import type { VisitorRequest } from '../../exchange/exchange.ts'

/** The transfer, which sends the body on. */
export interface BodySender extends Bordered {
  /** @returns whether more may come at once; true if it has no receiver at the moment */
  sendBody(chunk: Buffer): boolean
  /** All of it has been sent. */
  endBody(): void
  /** The limit of kept bytes is reached. Nothing more is read until they are released. */
  onBodyFull(): void
  /** A part of it has come. */
  onBodyMoved(): void
  /** Whether it is not needed any more: the exchange has ended, or has its answer. */
  readonly wantsNoBody: boolean
}

export class RequestBody {
  /** The visitor has sent all of it. */
  isDone = false
  /** The app takes nothing at the moment. */
  waitsForApp = false
  readonly #request: VisitorRequest
  readonly #sender: BodySender
  readonly #keptMaxBytes: number
  #kept: Buffer[] | undefined = []
  #keptBytes = 0
  #isStarted = false

  /** @param keptMaxBytes as `limits.request_buffer_bytes` */
  constructor(request: VisitorRequest, sender: BodySender, keptMaxBytes: number) {
    this.#request = request
    this.#sender = sender
    this.#keptMaxBytes = keptMaxBytes
  }

  /** Whether all read bytes can be sent again. */
  get isWhole(): boolean {
    return this.#kept !== undefined
  }

  get isStarted(): boolean {
    return this.#isStarted
  }

  /** It has a receiver, for the first time or again. */
  send(): void {
    if (this.#isStarted) return this.#sendAgain()
    this.#isStarted = true
    this.#request.on(
      'data',
      within(this.#sender, (chunk: Buffer) => this.#onChunk(chunk)),
    )
    this.#request.on(
      'end',
      within(this.#sender, () => this.#onEnd()),
    )
  }

  /** It will not have to be sent again. */
  letGo(): void {
    this.#kept = undefined
    this.#readOn()
  }

  /** Nothing is read until it is sent again. */
  hold(): void {
    this.#request.pause()
  }

  /** The app takes more. */
  onDrain(): void {
    this.waitsForApp = false
    this.#readOn()
  }

  #sendAgain(): void {
    this.waitsForApp = false
    for (const chunk of this.#kept ?? []) if (!this.#sender.sendBody(chunk)) this.waitsForApp = true
    if (this.isDone) this.#sender.endBody()
    else this.#readOn()
  }

  #onChunk(chunk: Buffer): void {
    if (this.#sender.wantsNoBody) return
    this.#sender.onBodyMoved()
    if (this.#kept) {
      this.#kept.push(chunk)
      this.#keptBytes += chunk.length
    }
    if (!this.#sender.sendBody(chunk)) this.waitsForApp = true
    if (this.#isFull) this.#sender.onBodyFull()
    if (this.waitsForApp || this.#isFull) this.#request.pause()
  }

  #onEnd(): void {
    if (this.#sender.wantsNoBody) return
    this.isDone = true
    this.#sender.onBodyMoved()
    this.#sender.endBody()
  }

  get #isFull(): boolean {
    return this.#kept !== undefined && this.#keptBytes >= this.#keptMaxBytes
  }

  #readOn(): void {
    if (!this.waitsForApp && !this.#isFull) this.#request.resume()
  }
}

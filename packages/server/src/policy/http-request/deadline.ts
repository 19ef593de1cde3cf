// The time for all tries of one `http-request`. It ends earlier if the visitor leaves.

import type { Exchange } from '../../exchange/exchange.ts'

export class Deadline implements Disposable {
  readonly #end = new AbortController()
  readonly #timer: NodeJS.Timeout
  readonly #response: Exchange['response']
  readonly #onClose = (): void => this.#end.abort()

  constructor({ response }: Exchange, milliseconds: number) {
    this.#timer = setTimeout(() => this.#end.abort(), milliseconds)
    this.#response = response
    response.on('close', this.#onClose)
  }

  get signal(): AbortSignal {
    return this.#end.signal
  }

  get isOver(): boolean {
    return this.#end.signal.aborted
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
    this.#response.off('close', this.#onClose)
  }
}

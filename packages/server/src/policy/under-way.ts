// The exchanges that a credential has let in and that are not over: cut when it ends, WebSockets and streams too.

import type { Exchange } from '../exchange/exchange.ts'

export class UnderWay {
  readonly #exchanges = new Set<Exchange>()

  get size(): number {
    return this.#exchanges.size
  }

  /** @param next resolves when the exchange is over */
  async run(exchange: Exchange, next: () => Promise<void>): Promise<void> {
    this.#exchanges.add(exchange)
    try {
      await next()
    } finally {
      this.#exchanges.delete(exchange)
    }
  }

  cut(reason: string): void {
    for (const exchange of this.#exchanges) exchange.cut(new Error(reason))
    this.#exchanges.clear()
  }
}

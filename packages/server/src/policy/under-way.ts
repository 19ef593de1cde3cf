// The unfinished exchanges that a credential has let in. When the credential ends, they are cut, including WebSockets
// and streams.

import type { Exchange } from '../exchange/exchange.ts'
import { Roster } from '../exchange/roster.ts'
import type { Listed } from '../exchange/roster.ts'

interface Use extends Listed {
  readonly exchange: Exchange
}

export class UnderWay {
  readonly #uses = new Roster<Use>()

  get size(): number {
    return this.#uses.size
  }

  /** @param next resolves when the exchange has ended */
  async run(exchange: Exchange, next: () => Promise<void>): Promise<void> {
    const use = { exchange, place: -1 }
    this.#uses.add(use)
    try {
      await next()
    } finally {
      this.#uses.delete(use)
    }
  }

  cut(reason: string): void {
    for (const use of this.#uses) {
      this.#uses.delete(use)
      use.exchange.cut(new Error(reason))
    }
  }
}

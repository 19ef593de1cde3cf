// A backend that answers by itself: a page for maintenance, a redirect, a robots.txt. No agent is asked.

import type { Exchange } from '../exchange/exchange.ts'
import type { ResponseHeaders } from '../exchange/exchange.ts'

export interface FixedResponseInit {
  status: number
  headers: Readonly<Record<string, string>>
  body: string
}

/** A backend, as backend.ts has it. */
export class FixedResponse {
  readonly #status: number
  readonly #headers: ResponseHeaders
  readonly #body: Buffer

  constructor({ status, headers, body }: FixedResponseInit) {
    this.#status = status
    this.#headers = { ...headers }
    this.#body = Buffer.from(body, 'utf8')
    const hasType = Object.keys(headers).some((name) => name.toLowerCase() === 'content-type')
    if (this.#body.length > 0 && !hasType) this.#headers['Content-Type'] = 'text/plain; charset=utf-8'
  }

  /** Comes before `answer()` if a rule for responses is asynchronous; undefined on most routes. */
  decide(exchange: Exchange): Promise<void> | undefined {
    if (!exchange.waitsAtAnswer) return undefined
    return exchange.decideAnswer(this.#status, () => flatList(this.#headers))
  }

  /** Answers the exchange, with the changes of the route's policies. */
  answer(exchange: Exchange): void {
    const instead = exchange.runResponseRules(this.#status, () => flatList(this.#headers))
    if (instead) return exchange.respond(instead.status, instead.headers, instead.body)
    const edits = exchange.responseEdits
    let headers = this.#headers
    if (edits) {
      headers = Object.fromEntries(Object.entries(headers).filter(([name]) => !edits.touches(name)))
      for (const { name, value } of edits) headers[name] = [...[headers[name] ?? []].flat(), value]
    }
    exchange.respond(this.#status, headers, this.#body)
  }

  pick(): this {
    return this
  }

  pickPinned(): undefined {
    return undefined
  }

  holds(): boolean {
    return false
  }

  note(): void {
    // It holds no tunnel that could answer.
  }

  failingAt(): number {
    return 0
  }
}

function flatList(headers: ResponseHeaders): string[] {
  return Object.entries(headers).flatMap(([name, value]) => [value].flat().flatMap((each) => [name, each]))
}

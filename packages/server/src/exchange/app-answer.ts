// The answer of an app, or of a fixed response, at the moment in which its head passes towards the visitor: what the rules of
// its route for responses see and decide. Made only on routes that have such rules. Answers of the relay itself never come here.

import type { ResponseHeaders, VisitorResponse } from './visitor-response.ts'

/** An answer in the place of the app's. */
export interface Reply {
  readonly status: number
  readonly headers: ResponseHeaders
  readonly body: Buffer
}

export class AppAnswer {
  /** 101 where the app has switched protocols: then headers can be edited, and nothing else. */
  readonly status: number
  /** Set by a rule that answers in the app's place. No rule runs after it. */
  instead: Reply | undefined
  /** Set by a rule that changes the body on its way: puts something in front of the visitor's response. */
  through: ((response: VisitorResponse) => VisitorResponse) | undefined
  #list: (() => readonly string[]) | undefined
  #headers: readonly string[] = []

  /** @param list gives the headers, when somebody asks */
  constructor(status: number, list: () => readonly string[]) {
    this.status = status
    this.#list = list
  }

  get isSwitch(): boolean {
    return this.status === 101
  }

  /** Those that would pass to the visitor if no rule changed them: name, value, name, value … */
  get headers(): readonly string[] {
    if (this.#list) this.#headers = this.#list()
    this.#list = undefined
    return this.#headers
  }
}

// The answer of an app, or of a fixed response, while its head passes to the visitor: the facts and decisions of the
// route's rules for responses. It is made only on routes that have such rules, and never for answers of the relay
// itself.

import type { ResponseHeaders, VisitorResponse } from './visitor/visitor-response.ts'

/** An answer that replaces the app's. */
export interface Reply {
  readonly status: number
  readonly headers: ResponseHeaders
  readonly body: Buffer
}

export class AppAnswer {
  /** 101 if the app has switched protocols: then only headers can be edited. */
  readonly status: number
  /** Set by a rule that replaces the app's answer. No rule runs after it. */
  instead: Reply | undefined
  /**
   * Set by a rule that changes the body on its way: a function that puts a transformation in front of the visitor's
   * response.
   */
  through: ((response: VisitorResponse) => VisitorResponse) | undefined
  #list: (() => readonly string[]) | undefined
  #headers: readonly string[] = []

  /** @param list gives the headers; called at the first use */
  constructor(status: number, list: () => readonly string[]) {
    this.status = status
    this.#list = list
  }

  get isSwitch(): boolean {
    return this.status === 101
  }

  /** The headers that the visitor would get if no rule changed them: name, value, name, value … */
  get headers(): readonly string[] {
    if (this.#list) this.#headers = this.#list()
    this.#list = undefined
    return this.#headers
  }
}

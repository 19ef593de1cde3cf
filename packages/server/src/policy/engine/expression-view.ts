// The variables of an exchange, as expressions read them. A new view is made after an action has run; values are
// computed when they are read. The view also holds the budget, because functions get the view as their first argument.

import { Budget } from './budget.ts'
import type { Facts } from './facts.ts'
import { ACTIONS } from './variables/action-results.ts'
import { CONNECTION } from './variables/connection.ts'
import { ENDPOINT } from './variables/endpoint.ts'
import { REQUEST } from './variables/request.ts'
import { RESPONSE } from './variables/response.ts'
import { TIME } from './variables/roots.ts'

/** The name under which our functions get the view. No expression can use it: see tree/check-variables.ts. */
export const VIEW_NAME = 'sallyport_view'

/** The getters have the names of the variables in `variables/roots.ts`. */
export class ExpressionView {
  readonly facts: Facts
  readonly budget: Budget
  #req: object | undefined
  #res: object | undefined
  #conn: object | undefined

  /** @param budget the budget of the exchange, if the exchange has had a view before */
  constructor(facts: Facts, budget = new Budget()) {
    this.facts = facts
    this.budget = budget
  }

  get [VIEW_NAME](): this {
    return this
  }

  get req(): object | undefined {
    const { request } = this.facts
    return (this.#req ??= request && new REQUEST.View(request))
  }

  get res(): object | undefined {
    const { response } = this.facts
    return (this.#res ??= response && new RESPONSE.View(response))
  }

  get conn(): object {
    return (this.#conn ??= new CONNECTION.View(this.facts))
  }

  get endpoint(): object {
    return new ENDPOINT.View(this.facts.endpoint)
  }

  get time(): object {
    return new TIME.View(this.facts)
  }

  get actions(): object {
    return new ACTIONS.View(this.facts)
  }

  get vars(): ReadonlyMap<string, unknown> {
    return this.facts.vars
  }

  get attempts(): bigint | undefined {
    const { attempts } = this.facts
    return attempts && BigInt(attempts.count)
  }

  get last_attempt(): ReadonlyMap<string, unknown> | undefined {
    return this.facts.attempts?.last
  }
}

// The errors of expressions at run time. The code that runs rules turns an `ExpressionError` into a refusal of the exchange:
// nothing reaches an agent.

import { printable } from '@sallyport/protocol/printable'

export class ExpressionError extends Error {
  /** The expression, as its author wrote it. */
  readonly expression: string
  /** For the log: one line, which never contains a value from a visitor. */
  readonly reason: string

  constructor(expression: string, reason: string, options?: ErrorOptions) {
    super(printable(`${reason}: ${expression}`), options)
    this.name = 'ExpressionError'
    this.expression = expression
    this.reason = reason
  }
}

/** Thrown by our functions and variables; `Expression.evaluate` adds the expression. */
export class ValueError extends Error {
  constructor(reason: string) {
    super(reason)
    this.name = 'ValueError'
  }
}

/** The budget is exceeded. Unlike other errors, this one is never absorbed, neither by `||` nor by `exists`. */
export class OverBudget extends Error {
  constructor(reason: string) {
    super(reason)
    this.name = 'OverBudget'
  }
}

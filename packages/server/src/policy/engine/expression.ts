// A compiled expression, which is evaluated for an exchange.

import { OverBudget, ExpressionError, ValueError } from './expression-error.ts'
import { type ExpressionProblem, shownName } from './expression-problem.ts'
import type { ExpressionView } from './expression-view.ts'
import type { Demand } from './tree/demands.ts'

export interface ExpressionInit {
  source: string
  type: string
  reads: ReadonlySet<string>
  demands: readonly Demand[]
  warnings: readonly ExpressionProblem[]
  run: (view: ExpressionView) => unknown
}

export class Expression {
  /** The text in the policy. */
  readonly source: string
  /** The type of its value in CEL; `dyn` if it is known only at run time. */
  readonly type: string
  /** The variables that it reads, as paths with current names: `req.url.path`, `req.headers.cookie`, `vars.x`, `secrets.get`. */
  readonly reads: ReadonlySet<string>
  /** The data and secrets without which it cannot be evaluated. */
  readonly demands: readonly Demand[]
  /** Warnings about parts that work but may not do what the author expects. */
  readonly warnings: readonly ExpressionProblem[]
  readonly #run: (view: ExpressionView) => unknown

  constructor({ source, type, reads, demands, warnings, run }: ExpressionInit) {
    this.source = source
    this.type = type
    this.reads = reads
    this.demands = demands
    this.warnings = warnings
    this.#run = run
  }

  /**
   * Returns the value, in the form of values.ts.
   * @throws ExpressionError for every failure: the exchange has to be refused
   */
  evaluate(view: ExpressionView): unknown {
    const { budget } = view
    budget.begin()
    let value: unknown
    try {
      value = this.#run(view)
    } catch (error) {
      throw this.#failed(budget.exceeded ?? error)
    }
    if (budget.exceeded) throw this.#failed(budget.exceeded)
    return value
  }

  /**
   * Whether a rule's condition holds.
   * @throws ExpressionError for every failure, and if the value is neither true nor false
   */
  isTrue(view: ExpressionView): boolean {
    const value = this.evaluate(view)
    if (typeof value !== 'boolean') throw new ExpressionError(this.source, 'is neither true nor false')
    return value
  }

  #failed(error: unknown): ExpressionError {
    // Messages of the library may contain values of visitors, such as a key that was not found, so they are not kept as
    // a cause.
    const isFault = error instanceof Error && !('code' in error) && !isExpected(error)
    return new ExpressionError(this.source, reasonOf(error, this.source), isFault ? { cause: error } : undefined)
  }
}

function isExpected(error: Error): boolean {
  return error instanceof OverBudget || error instanceof ValueError || isStackOverflow(error)
}

function isStackOverflow(error: unknown): boolean {
  return error instanceof RangeError && /call stack/i.test(error.message)
}

/** One line that contains only text from the policy. */
function reasonOf(error: unknown, source: string): string {
  if (error instanceof OverBudget || error instanceof ValueError) return error.message
  if (isStackOverflow(error)) return 'is nested too deep'
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  const known = REASONS.get(code)
  if (known !== undefined) return known
  const [, key] =
    code === 'no_such_key' && error instanceof Error ? (/^No such key: (\S+)/.exec(error.message) ?? []) : []
  if (key !== undefined) return source.includes(key) ? `there is no ${shownName(key)}` : 'there is no such key'
  return 'cannot be evaluated'
}

/** By the error codes of the library, because its messages may contain a value. */
const REASONS = new Map([
  ['index_out_of_bounds', 'the list has no item at this place'],
  ['division_by_zero', 'divides by zero'],
  ['modulo_by_zero', 'divides by zero'],
  ['numeric_overflow', 'the number is out of range'],
  ['no_such_overload', 'these values cannot be combined'],
  ['no_matching_overload', 'a function does not take these values'],
  ['invalid_logical_operand', 'a condition is neither true nor false'],
  ['invalid_condition_type', 'a condition is neither true nor false'],
  ['invalid_comprehension_range', 'iterates over something that is neither a list nor a map'],
  ['field_type_mismatch', 'a value has another type'],
  ['list_item_type_mismatch', 'a value has another type'],
  ['variable_type_mismatch', 'a value has another type'],
  ['unknown_variable', 'a variable is absent'],
  ['unsupported_type', 'a value has a type that CEL does not know'],
  ['invalid_comparison_type', 'these values cannot be compared'],
])

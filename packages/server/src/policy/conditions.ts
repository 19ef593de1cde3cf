// The conditions of a rule: all of its expressions must hold, or its actions are passed over.

import { RelayError } from '../errors.ts'
import type { AppAnswer } from '../exchange/app-answer.ts'
import type { Exchange } from '../exchange/exchange.ts'
import type { Expression } from './engine/expression.ts'
import { ExpressionError } from './engine/expression-error.ts'
import { ExpressionView } from './engine/expression-view.ts'
import { factsOfExchange } from './engine/exchange-facts.ts'
import { dependsOnReading, readsPath as pathIsIn } from './engine/readings.ts'
import type { ResponseFacts } from './engine/facts.ts'
import { conditionOf } from './language.ts'
import { PHASES } from './kind.ts'
import type { Phase } from './kind.ts'

/** Whether the conditions hold. @throws RelayError if that cannot be said: the exchange is refused */
export type Holds = (exchange: Exchange, answer?: AppAnswer) => boolean

export interface ConditionalRule {
  readonly name?: string
  readonly expressions?: readonly string[]
}

/**
 * @param index of the rule in its phase, for the log
 * @returns undefined for a rule that always runs
 */
export function holdsOf({ name, expressions = [] }: ConditionalRule, phase: Phase, index: number): Holds | undefined {
  if (expressions.length === 0) return undefined
  const conditions = expressions.map((source) => compiled(source, phase))
  const isOfPath = conditions.some(({ reads }) => dependsOnReading(reads))
  const rule = name === undefined ? `${phase}[${index}]` : `${phase}[${index}] "${name}"`
  return (exchange, answer) => {
    try {
      const holds = allHold(conditions, viewOf(exchange, answer))
      const { normalPath } = exchange
      // What would be decided otherwise if the path were read otherwise is decided by nobody.
      if (isOfPath && normalPath !== undefined && allHold(conditions, viewOf(exchange, answer, normalPath)) !== holds) {
        throw new RelayError('path_ambiguous')
      }
      return holds
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error
      throw new RelayError('expression_failed', { detail: `${rule}: ${cut(error.expression)}: ${error.reason}` })
    }
  }
}

/** Whether a condition of a policy reads the path, in whatever form. */
export function readsPath(policy: { readonly [P in Phase]: readonly ConditionalRule[] }): boolean {
  return PHASES.some((phase) =>
    policy[phase].some(({ expressions = [] }) => expressions.some((source) => pathIsIn(compiled(source, phase).reads))),
  )
}

const DETAIL_MAX_CHARS = 200

function cut(expression: string): string {
  return expression.length > DETAIL_MAX_CHARS ? `${expression.slice(0, DETAIL_MAX_CHARS)}…` : expression
}

function compiled(source: string, phase: Phase): Expression {
  const condition = conditionOf(source, phase)
  if ('problems' in condition) throw new TypeError(`not an expression: ${source}`) // the configuration was checked before
  return condition
}

function allHold(conditions: readonly Expression[], view: ExpressionView): boolean {
  for (const condition of conditions) if (!condition.isTrue(view)) return false
  return true
}

/** Made anew for each rule, because an action before it may have changed what it reads. */
function viewOf(exchange: Exchange, answer: AppAnswer | undefined, path?: string): ExpressionView {
  return new ExpressionView(
    factsOfExchange(exchange, {
      lookups: NO_LOOKUPS,
      secret: () => undefined,
      now: Date.now,
      vars: NOTHING,
      results: NO_RESULTS,
      path,
      response: answer && new ResponseOfApp(answer),
    }),
  )
}

const NO_LOOKUPS = {}
const NOTHING: ReadonlyMap<string, unknown> = new Map()
const NO_RESULTS: ReadonlyMap<string, ReadonlyMap<string, unknown>> = new Map()

class ResponseOfApp implements ResponseFacts {
  readonly #answer: AppAnswer
  readonly rawTrailers: readonly string[] = []

  constructor(answer: AppAnswer) {
    this.#answer = answer
  }

  get statusCode(): number {
    return this.#answer.status
  }

  get rawHeaders(): readonly string[] {
    return this.#answer.headers
  }
}

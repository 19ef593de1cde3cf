// Whether another try is wanted, by `retry_condition`.

import type { AppAnswer } from '../../exchange/app-answer.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import { ExpressionError } from '../engine/expression-error.ts'
import { celValue } from '../engine/values.ts'
import type { Phase } from '../kind.ts'
import { retryConditionOf } from '../language.ts'
import type { SourcesParts } from '../sources/sources.ts'
import { viewOf } from '../view-of.ts'
import type { CallRequest } from './requests-of.ts'
import type { Try } from './try-once.ts'

type WantsMore = (
  exchange: Exchange,
  answer: AppAnswer | undefined,
  count: number,
  request: CallRequest,
  last: Try,
) => boolean

/** A condition that cannot be evaluated, for instance because there was no answer to look at, does not hold. */
export function retryCondition(source: string, phase: Phase, { sources }: SourcesParts): WantsMore {
  const condition = retryConditionOf(source, phase)
  if ('problems' in condition) throw new TypeError(`not an expression: ${source}`) // the configuration was checked before
  return (exchange, answer, count, request, { res, error }) => {
    const facts = { req: request.shown, ...(res && { res }), ...(error && { error }) }
    const last = celValue(facts) as ReadonlyMap<string, unknown> // of an object
    try {
      return condition.evaluate(viewOf(exchange, sources, answer, undefined, { count, last })) === true
    } catch (failed) {
      if (failed instanceof ExpressionError) return false
      throw failed
    }
  }
}

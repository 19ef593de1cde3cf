// The view that expressions have of an exchange.

import { RelayError } from '../errors.ts'
import type { AppAnswer } from '../exchange/app-answer.ts'
import type { Exchange } from '../exchange/exchange.ts'
import type { HeaderEdits } from '../exchange/header-edits.ts'
import { edited, factsOfExchange } from './engine/exchange-facts.ts'
import { ExpressionView } from './engine/expression-view.ts'
import type { AttemptFacts, ResponseFacts } from './engine/facts.ts'
import { PolicyMemory } from './engine/variables/policy-memory.ts'
import type { Sources } from './sources/sources.ts'

/**
 * A new view is made for each rule and action, because an earlier action may have changed the exchange.
 * @param answer in the phase of responses
 * @param path replaces the path that is forwarded
 * @param attempts for a `retry_condition`
 */
export function viewOf(
  exchange: Exchange,
  sources: Sources,
  answer?: AppAnswer,
  path?: string,
  attempts?: AttemptFacts,
): ExpressionView {
  const memory = memoryOf(exchange)
  const { budget, ofRequest, ofResponse, normalResults } = memory
  const vars = answer ? ofResponse : ofRequest
  return new ExpressionView(
    factsOfExchange(exchange, {
      region: sources.region,
      lookups: sources.lookups,
      secret: sources.secret,
      now: Date.now,
      memory,
      vars: path === undefined ? vars.asSent : vars.normal,
      results: (path === undefined ? undefined : normalResults) ?? exchange.results ?? NO_RESULTS,
      path,
      attempts,
      response: answer && new ResponseOfApp(answer, exchange.responseEdits),
    }),
    budget,
  )
}

/**
 * Computes a value by expressions. If it depends on how the path is read, both readings must give the same value;
 * otherwise the exchange is refused (section 14.2 of the reference).
 * @throws RelayError `path_ambiguous`
 */
export function inEveryReading<T extends string | boolean>(
  evaluate: (view: ExpressionView) => T,
  isOfPath: boolean,
  sources: Sources,
  exchange: Exchange,
  answer?: AppAnswer,
): T {
  const value = evaluate(viewOf(exchange, sources, answer))
  const other = isOfPath ? otherReading(exchange) : undefined
  if (other !== undefined && evaluate(viewOf(exchange, sources, answer, other)) !== value) {
    throw new RelayError('path_ambiguous')
  }
  return value
}

/**
 * The path in the other reading of the exchange; undefined if there is only one. A path that a rule has replaced may have one
 * reading, and a result that was made from the earlier path two.
 */
export function otherReading(exchange: Exchange): string | undefined {
  return exchange.normalPath ?? (memoryOf(exchange).normalResults && exchange.path)
}

/** Made when the first expression of a policy is evaluated. */
export function memoryOf(exchange: Exchange): PolicyMemory {
  const { policyMemory } = exchange
  if (policyMemory instanceof PolicyMemory) return policyMemory
  return (exchange.policyMemory = new PolicyMemory())
}

const NO_RESULTS: ReadonlyMap<string, ReadonlyMap<string, unknown>> = new Map()

class ResponseOfApp implements ResponseFacts {
  readonly #answer: AppAnswer
  readonly #edits: HeaderEdits | undefined
  readonly rawTrailers: readonly string[] = []

  constructor(answer: AppAnswer, edits: HeaderEdits | undefined) {
    this.#answer = answer
    this.#edits = edits
  }

  get statusCode(): number {
    return this.#answer.status
  }

  get rawHeaders(): readonly string[] {
    return this.#edits ? edited(this.#answer.headers, this.#edits) : this.#answer.headers
  }
}

// The result of an action, for the expressions that are evaluated after it: `actions.ngrok.<action>` and `actions.sallyport.<action>`.

import type { Exchange } from '../exchange/exchange.ts'
import { celValue } from './engine/values.ts'
import type { ACTION_RESULTS } from './engine/variables/action-results.ts'
import { memoryOf } from './view-of.ts'

type Results = typeof ACTION_RESULTS

/** The facts about its policy that an action knows. */
export interface Remembering {
  /** Whether an expression of the policy reads this result, or a part of it: `oidc`, `oidc.access_token`. */
  readonly readsResult: (result: string) => boolean
}

type Fields<A extends keyof Results> = { readonly [Field in Results[A][number]]?: unknown }

/**
 * Replaces the result of the last run of the same action.
 * @param action its name in variables: `rate_limit`
 * @param normal the result for the normal form of the path, if it may be another
 */
export function noteResult<A extends keyof Results>(
  exchange: Exchange,
  action: A,
  fields: Fields<A>,
  normal?: Fields<A>,
): void {
  const memory = normal || exchange.policyMemory ? memoryOf(exchange) : undefined
  if (memory && normal) memory.normalResults ??= new Map(exchange.results)
  exchange.results ??= new Map()
  exchange.results.set(action, resultOf(fields))
  memory?.normalResults?.set(action, resultOf(normal ?? fields))
}

function resultOf(fields: object): ReadonlyMap<string, unknown> {
  return celValue(fields) as ReadonlyMap<string, unknown> // of an object
}

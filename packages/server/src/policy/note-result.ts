// The result of an action, for the expressions that are evaluated after it: `actions.ngrok.<action>` and `actions.sallyport.<action>`.

import type { Exchange } from '../exchange/exchange.ts'
import { celValue } from './engine/values.ts'
import type { ACTION_RESULTS } from './engine/variables/action-results.ts'

type Results = typeof ACTION_RESULTS

/** The facts about its policy that an action knows. */
export interface Remembering {
  /** Whether any expression of the policy could read a result. */
  readonly remembers: boolean
  /** Whether one reads this result, which costs more than a note: `oidc.access_token`. */
  readonly readsResult: (result: string) => boolean
}

/**
 * Replaces the result of the last run of the same action.
 * @param action its name in variables: `rate_limit`
 */
export function noteResult<A extends keyof Results>(
  exchange: Exchange,
  action: A,
  fields: { readonly [Field in Results[A][number]]?: unknown },
): void {
  exchange.results ??= new Map()
  exchange.results.set(action, celValue(fields) as ReadonlyMap<string, unknown>) // of an object
}

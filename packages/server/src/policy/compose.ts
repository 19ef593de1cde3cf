// Strings a route's actions together: each runs when the one before it calls next(), the last one forwards.

import type { Exchange } from '../exchange/exchange.ts'
import type { Action } from '../exchange/action.ts'

/** Runs the actions of a route, and `forward` behind the last of them. */
export type Policy = (exchange: Exchange, forward: () => Promise<void>) => Promise<void>

export function compose(actions: readonly Action[]): Policy {
  return (exchange, forward) => {
    const run = (index: number): Promise<void> => {
      const action = actions[index]
      return action ? action(exchange, () => run(index + 1)) : forward()
    }
    return run(0)
  }
}

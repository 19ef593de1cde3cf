// Chains the rules of a route: each action runs when the one before it calls next(), the last one forwards. A rule is
// skipped if its conditions do not hold at its turn.

import type { Exchange } from '../exchange/exchange.ts'
import type { Action } from '../exchange/action.ts'
import type { Holds } from './conditions.ts'

/** Runs the actions of a route, and `forward` after the last of them. */
export type Policy = (exchange: Exchange, forward: () => Promise<void>) => Promise<void>

export interface Rule {
  /** Undefined for a rule that always runs. */
  readonly holds: Holds | undefined
  /** Never empty. */
  readonly actions: readonly Action[]
}

interface ComposedStep {
  readonly action: Action
  /** Only of the first action of a rule. */
  readonly holds: Holds | undefined
  /** The first step of the next rule. */
  readonly behindRule: number
}

/** Actions call each other. After so many calls the rest waits for an empty stack: a policy may have thousands of actions. */
const DEPTH_MAX = 256

export function compose(rules: readonly Rule[]): Policy {
  const steps: ComposedStep[] = []
  for (const { holds, actions } of rules) {
    const behindRule = steps.length + actions.length
    for (const [index, action] of actions.entries()) {
      steps.push({ action, holds: index === 0 ? holds : undefined, behindRule })
    }
  }
  return (exchange, forward) => {
    const run = (start: number, depth: number): Promise<void> => {
      for (let index = start; ;) {
        const step = steps[index]
        if (!step) return forward()
        if (step.holds && !step.holds(exchange)) {
          index = step.behindRule
          continue
        }
        const next = index + 1
        return step.action(exchange, () =>
          depth < DEPTH_MAX ? run(next, depth + 1) : onEmptyStack(() => run(next, 0)),
        )
      }
    }
    return run(0, 0)
  }
}

async function onEmptyStack(run: () => Promise<void>): Promise<void> {
  await Promise.resolve()
  await run()
}

// The memory of a policy's rules for one exchange: the variables of `set-vars`, the work that expressions have
// done, and the headers that they see. Pure: no I/O, no clock.

import { Budget } from '../budget.ts'
import { VALUE_WEIGHT_MAX } from '../limits.ts'
import { weightOf } from '../values.ts'

/** The variables of one phase. Expressions never see those of the other phase. */
export class PhaseVars {
  /** The view of expressions for the path as the visitor has sent it. */
  readonly asSent = new Map<string, unknown>()
  /**
   * The same for the normal form of the path, so that a variable made from the path takes part in the comparison of
   * both readings.
   */
  readonly normal = new Map<string, unknown>()
  #weight = 0

  /** @returns whether there was room for the variable */
  set(name: string, asSent: unknown, normal: unknown): boolean {
    const before = this.asSent.has(name) ? weightOf(this.asSent.get(name), VALUE_WEIGHT_MAX) : 0
    const weight = this.#weight - before + weightOf(asSent, VALUE_WEIGHT_MAX)
    if (weight > VALUE_WEIGHT_MAX || weightOf(normal, VALUE_WEIGHT_MAX) > VALUE_WEIGHT_MAX) return false
    this.#weight = weight
    this.asSent.set(name, asSent)
    this.normal.set(name, normal)
    return true
  }
}

export class PolicyMemory {
  readonly budget = new Budget()
  readonly ofRequest = new PhaseVars()
  readonly ofResponse = new PhaseVars()
  /**
   * The results of actions for the normal form of the path; undefined if they are the same for both. They stay after the path
   * has been replaced.
   */
  normalResults: Map<string, ReadonlyMap<string, unknown>> | undefined
  /** The request's headers before any edit; undefined until an expression reads them. */
  headers: readonly string[] | undefined
}

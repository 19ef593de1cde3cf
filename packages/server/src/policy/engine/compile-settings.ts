// The settings of the compiler. An expression is compiled once for all policies: whether this policy has the sources that it
// demands is checked afterwards (tree/demands.ts).

import type { Phase } from './phase.ts'

export interface CompileSettings {
  readonly phase: Phase
  /**
   * Whether the expression is the `retry_condition` of `http-request`, in which `attempts` and `last_attempt`
   * exist.
   */
  readonly hasAttempts?: boolean
}

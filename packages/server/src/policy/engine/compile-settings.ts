// The settings of the compiler: the phase of the expression, and the data sources of this relay.

import type { Phase } from './phase.ts'
import type { Need } from './variables/record.ts'

export interface CompileSettings {
  readonly phase: Phase
  /**
   * Whether the expression is the `retry_condition` of `http-request`, in which `attempts` and `last_attempt`
   * exist.
   */
  readonly hasAttempts?: boolean
  /**
   * The data sources that the operator has set up. A condition that needs another source is refused; it never reads an
   * empty text instead.
   */
  readonly known: ReadonlySet<Need>
  hasSecret(vault: string, name: string): boolean
}

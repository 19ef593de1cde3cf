// The settings of the compiler: the phase of the expression, and the data sources of this relay.

import type { Phase } from './phase.ts'
import type { Need } from './variables/record.ts'

export interface CompileSettings {
  readonly phase: Phase
  /** For `retry_condition` of `http-request`: `attempts` and `last_attempt` exist. */
  readonly hasAttempts?: boolean
  /** The data sources that the operator has set up. A condition on any other is refused, never read as an empty text. */
  readonly known: ReadonlySet<Need>
  hasSecret(vault: string, name: string): boolean
}

// The relay has looked at the policy of an endpoint and says what is wrong with it: wrong usage, found at the other end.

import { ProtocolError } from '@sallyport/protocol'
import type { ConfigProblem } from '@sallyport/protocol/config-error'

export class PolicyRefused extends ProtocolError {
  /** Each with the flag that it is about. */
  readonly problems: readonly ConfigProblem[]

  constructor(sentence: string, problems: readonly ConfigProblem[]) {
    super('bind_invalid', sentence)
    this.problems = problems
  }
}

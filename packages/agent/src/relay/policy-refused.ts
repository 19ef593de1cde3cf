// The relay has checked the policy of an endpoint and refused it with problems: wrong usage, found at the other end.

import { ProtocolError } from '@sallyport/protocol'
import type { ConfigProblem } from '@sallyport/protocol/config-error'

export class PolicyRefused extends ProtocolError {
  /** Each with its flag. */
  readonly problems: readonly ConfigProblem[]

  constructor(sentence: string, problems: readonly ConfigProblem[]) {
    super('bind_invalid', sentence)
    this.problems = problems
  }
}

// The data besides the exchange that the expressions of one policy read while it runs: the operator's, or the part that an
// agent may read. A closure that evaluates expressions keeps the sources of its own policy, so no other policy can lend it
// others.

import type { Facts, Lookups } from '../engine/facts.ts'

export interface Sources {
  /** The region of this relay, from its configuration. */
  readonly region: string | undefined
  readonly lookups: Lookups
  readonly secret: Facts['secret']
}

/** The part of an action's site that its expressions need. */
export interface SourcesParts {
  readonly sources: Sources
}

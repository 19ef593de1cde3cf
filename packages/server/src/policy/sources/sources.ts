// The data beside the exchange that the expressions of one policy read while it runs: those of the operator, or what an agent may
// read. A closure that evaluates expressions keeps the sources of its own policy, so no other policy can lend it others.

import type { Facts, Lookups } from '../engine/facts.ts'

export interface Sources {
  /** Where this relay is, by its configuration. */
  readonly region: string | undefined
  readonly lookups: Lookups
  readonly secret: Facts['secret']
}

/** The part of an action's site that its expressions need. */
export interface SourcesParts {
  readonly sources: Sources
}

export const NO_SOURCES: Sources = { region: undefined, lookups: {}, secret: () => undefined }

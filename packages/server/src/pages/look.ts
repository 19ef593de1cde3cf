// How the relay's own pages are for one edge, or for what is no edge's: made once, when the edge is built. Pure.

import type { PageDetails } from '../config/config.ts'

export interface Look {
  /** Who is told what only the operator can use: labels, commands, counts. */
  readonly details: PageDetails
}

/** Without any configuration. */
export const PLAIN_LOOK: Look = { details: 'local' }

// The frame of every answer of the relay itself: its site, its visitor, and its texts. Pure.

import type { PageTexts } from '../texts/page-texts.ts'
import type { Look } from './look.ts'

export interface Frame {
  look: Look
  texts: PageTexts
  /** The id that a visitor can quote when asking about the answer. */
  requestId: string
  /** The host that was asked for, in normal form; empty if it could not be read. */
  host: string
  /** Whether to offer the start page of the edge: it exists, and the visitor asked for another page. */
  hasStart: boolean
  /** Whether the visitor may see the operator's details. */
  toOperator: boolean
  /** The visitor's address; undefined if only a proxy's is known. */
  address: string | undefined
}

const HOST_MAX_CHARS = 100

/** The host as a page shows it. A long one keeps its end, which says whose it is. */
export function siteOf({ host }: Frame): string {
  return host.length > HOST_MAX_CHARS ? `…${host.slice(1 - HOST_MAX_CHARS)}` : host
}

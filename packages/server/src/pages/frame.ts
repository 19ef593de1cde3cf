// What every answer of the relay itself has around it: where it is given, to whom, and in which words. Pure.

import type { PageTexts } from '../texts/page-texts.ts'
import type { Look } from './look.ts'

export interface Frame {
  look: Look
  texts: PageTexts
  /** What a visitor who asks about the answer can name. */
  requestId: string
  /** The host that was asked for, in normal form; empty where it could not be read. */
  host: string
  /** Whether the start page of an edge is somewhere to go: there is one, and the visitor asked for another page. */
  hasStart: boolean
  /** Whether whoever asks may hear what is the operator's business. */
  toOperator: boolean
  /** Where the visitor comes from; undefined where only a proxy's address is known. */
  address: string | undefined
}

const HOST_MAX_CHARS = 100

/** The host as a page shows it. Of a long one the end counts: that is whose it is. */
export function siteOf({ host }: Frame): string {
  return host.length > HOST_MAX_CHARS ? `…${host.slice(1 - HOST_MAX_CHARS)}` : host
}

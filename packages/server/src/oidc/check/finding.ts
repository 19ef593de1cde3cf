// What the check of a provider has found out, one sentence at a time. Pure: no I/O, no clock.

import { printable } from '@sallyport/protocol'

const MAX_SHOWN = 16 // some providers list a hundred scopes

/**
 * `problem`: sign-in will fail. `unchecked`: it may, and only a visitor will see. `note`: it works, and something is worth knowing.
 */
export type Verdict = 'fine' | 'note' | 'unchecked' | 'problem'

export interface Finding {
  verdict: Verdict
  /** Two words at most: what was looked at. */
  about: string
  /** What is so, and where something is to be done, what to write. Without control characters. */
  message: string
  /** Lines that belong under the message, in a fixed-width font. */
  details: readonly string[]
}

export function fine(about: string, message: string): Finding {
  return finding('fine', about, message, [])
}

export function note(about: string, message: string, details: readonly string[] = []): Finding {
  return finding('note', about, message, details)
}

/** What nobody can tell without a user, a public_url or an answer. */
export function unchecked(about: string, message: string): Finding {
  return finding('unchecked', about, message, [])
}

export function problem(about: string, message: string, details: readonly string[] = []): Finding {
  return finding('problem', about, message, details)
}

/** A list for people, cut where it becomes tiresome. */
export function listed(values: readonly string[]): string {
  if (values.length === 0) return 'none'
  const more = values.length - MAX_SHOWN
  return more > 0 ? `${values.slice(0, MAX_SHOWN).join(', ')} and ${more} more` : values.join(', ')
}

function finding(verdict: Verdict, about: string, message: string, details: readonly string[]): Finding {
  return { verdict, about, message: printable(message), details: details.map(printable) }
}

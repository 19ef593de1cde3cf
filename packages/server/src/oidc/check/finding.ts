// The findings of a provider's check, one sentence each. Pure: no I/O, no clock.

import { printable } from '@sallyport/protocol'

const MAX_SHOWN = 16 // some providers list a hundred scopes

/**
 * `problem`: sign-in will fail. `unchecked`: it may fail, and only a visitor will find out. `note`: it works, but the
 * message is useful.
 */
export type Verdict = 'fine' | 'note' | 'unchecked' | 'problem'

export interface Finding {
  verdict: Verdict
  /** The checked item, two words at most. */
  about: string
  /** The finding and, if something must be done, what to write. Without control characters. */
  message: string
  /** Lines below the message, for a fixed-width font. */
  details: readonly string[]
}

export function fine(about: string, message: string): Finding {
  return finding('fine', about, message, [])
}

export function note(about: string, message: string, details: readonly string[] = []): Finding {
  return finding('note', about, message, details)
}

/** A finding that would need a user, a public_url or an answer. */
export function unchecked(about: string, message: string): Finding {
  return finding('unchecked', about, message, [])
}

export function problem(about: string, message: string, details: readonly string[] = []): Finding {
  return finding('problem', about, message, details)
}

/** A list for people, cut if it is too long. */
export function listed(values: readonly string[]): string {
  if (values.length === 0) return 'none'
  const more = values.length - MAX_SHOWN
  return more > 0 ? `${values.slice(0, MAX_SHOWN).join(', ')} and ${more} more` : values.join(', ')
}

function finding(verdict: Verdict, about: string, message: string, details: readonly string[]): Finding {
  return { verdict, about, message: printable(message), details: details.map(printable) }
}

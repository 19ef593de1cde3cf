// The text for a match of a pattern, by the rules of Go's `Regexp.Expand`: `$1` is a group by its number, `$name` by its name, `$$`
// is a `$`. A name is as long as possible: `$1x` is a group called `1x`. Pure: no I/O, no clock.

import type { Match } from '../engine/patterns.ts'

// `${…}` is an expression, as at ngrok, and has been evaluated before.
const REFERENCE = /\$(?:\$|(\w+))/g
/** Marks the beginning of an inserted value, so that the value does not continue the name of a group. */
const VALUE_START = '\0'

export class Replacement {
  /** Literal texts, and groups of the match between them. */
  readonly #parts: readonly (string | { readonly group: number | string })[]

  /** @param encode is applied to literal texts */
  constructor(written: string, encode: (text: string) => string = (text) => text) {
    const put = (text: string): string => encode(text.replaceAll(VALUE_START, ''))
    const parts: (string | { group: number | string })[] = []
    let at = 0
    for (const { 0: whole, 1: name, index } of written.matchAll(REFERENCE)) {
      parts.push(put(written.slice(at, index)))
      if (name === undefined) parts.push('$')
      else parts.push({ group: /^\d{1,8}$/.test(name) ? Number(name) : name })
      at = index + whole.length
    }
    parts.push(put(written.slice(at)))
    this.#parts = parts.filter((part) => part !== '')
  }

  expand(match: Match): string {
    return this.#parts.map((part) => (typeof part === 'string' ? part : match.group(part.group))).join('')
  }

  /** The groups before the host of the result ends: `https://$1/` takes its host from one, `/$1` does not. */
  get groupsInHost(): (number | string)[] {
    const groups: (number | string)[] = []
    let read = ''
    for (const part of this.#parts) {
      if (typeof part === 'string') read += part
      else groups.push(part.group)
      if (/^(?:\/|[^/]*[?#]|https?:\/\/[^/?#]*[/?#])/i.test(read)) break
      if (typeof part !== 'string' && read === '') break // this first group may contain the host and more
    }
    return groups
  }
}

/**
 * Makes a value a literal part of a replacement: neither the value nor the text before it together with the value
 * refers to a group.
 */
export function literally(value: string): string {
  return VALUE_START + value.replaceAll(VALUE_START, '').replaceAll('$', '$$$$') // in a replacement, `$$` means one `$`
}

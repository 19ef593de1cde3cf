// The text for a match of a pattern, by the rules of Go's `Regexp.Expand`: `$1` and `${1}` are groups by their number, `$name` and
// `${name}` by their name, `$$` is a `$`. A name is as long as possible: `$1x` is a group called `1x`. Pure: no I/O, no clock.

import type { Match } from '../engine/patterns.ts'

const REFERENCE = /\$(?:\$|\{(\w+)\}|(\w+))/g

export class Replacement {
  /** Literal texts, and groups of the match between them. */
  readonly #parts: readonly (string | { readonly group: number | string })[]

  /** @param literally is applied to literal texts */
  constructor(written: string, literally: (text: string) => string = (text) => text) {
    const parts: (string | { group: number | string })[] = []
    let at = 0
    for (const { 0: whole, 1: braced, 2: name = braced, index } of written.matchAll(REFERENCE)) {
      parts.push(literally(written.slice(at, index)))
      if (name === undefined) parts.push('$')
      else parts.push({ group: /^\d{1,8}$/.test(name) ? Number(name) : name })
      at = index + whole.length
    }
    parts.push(literally(written.slice(at)))
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
      if (typeof part !== 'string' && read === '') break // begins with it: it may have the host, and more
    }
    return groups
  }
}

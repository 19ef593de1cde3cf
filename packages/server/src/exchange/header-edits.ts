// The changes that a route's policies make to a message's headers, in order: append, replace, remove. Names are
// compared as an app behind CGI would. Pure: no I/O, no clock.
//
// All edits are kept in one form: the names of the message's own headers that do not pass, and the lines that are added
// after them. So the cost of applying them does not grow with their number.

import { normalHeaderName } from '../values/normal-header-name.ts'

export interface HeaderLine {
  readonly name: string
  readonly value: string
}

export class HeaderEdits {
  /** Normal names of headers of the message that do not pass. */
  readonly #dropped = new Set<string>()
  /** Normal names under which nothing is added any more. */
  #closed: Set<string> | undefined
  #added: HeaderLine[] = []

  /** Adds one more line of this name. A message has only one `Host`, so that one is replaced. */
  append(name: string, value: string): void {
    const normal = normalHeaderName(name)
    if (normal === 'host') return this.set(name, value)
    if (!this.#closed?.has(normal)) this.#added.push({ name, value })
  }

  /** Replaces every line of this name, those of earlier edits included. */
  set(name: string, value: string): void {
    this.remove(name)
    if (!this.#closed?.has(normalHeaderName(name))) this.#added.push({ name, value })
  }

  /** Removes every line of this name, those of earlier edits included. A later edit may still add one. */
  remove(name: string): void {
    const normal = normalHeaderName(name)
    this.#dropped.add(normal)
    if (this.#added.some((each) => normalHeaderName(each.name) === normal)) {
      this.#added = this.#added.filter((each) => normalHeaderName(each.name) !== normal)
    }
  }

  /** Removes the message's own lines of this name. Lines that edits add stay. */
  drop(name: string): void {
    this.#dropped.add(normalHeaderName(name))
  }

  /** Removes every line of this name, also those of later edits. */
  close(name: string): void {
    this.remove(name)
    ;(this.#closed ??= new Set()).add(normalHeaderName(name))
  }

  /** The same edits, to which more can be added without a change of these. */
  copy(): HeaderEdits {
    const copy = new HeaderEdits()
    for (const name of this.#dropped) copy.#dropped.add(name)
    if (this.#closed) copy.#closed = new Set(this.#closed)
    copy.#added = [...this.#added]
    return copy
  }

  /** Whether a header that came with the message is replaced or removed. */
  touches(name: string): boolean {
    return this.#dropped.has(normalHeaderName(name))
  }

  get isEmpty(): boolean {
    return this.#dropped.size === 0 && this.#added.length === 0
  }

  /** The last value that edits have added under this name; undefined if none has. */
  lastOf(name: string): string | undefined {
    const normal = normalHeaderName(name)
    return this.#added.findLast((each) => normalHeaderName(each.name) === normal)?.value
  }

  /** The lines to write after those of the message, in the order of the edits. */
  [Symbol.iterator](): Iterator<HeaderLine> {
    return this.#added[Symbol.iterator]()
  }
}

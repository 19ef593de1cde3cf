// The changes of a route's policies to a message's headers. Later edits override earlier ones. Names are compared as an
// app behind CGI compares them.

import { normalHeaderName } from '../values/normal-header-name.ts'

export class HeaderEdits {
  /** Normal name → what to write instead, or undefined for nothing. */
  readonly #edits = new Map<string, { name: string; value: string } | undefined>()

  set(name: string, value: string): void {
    this.#edits.set(normalHeaderName(name), { name, value })
  }

  remove(name: string): void {
    this.#edits.set(normalHeaderName(name), undefined)
  }

  /** Whether a header that came with the message is replaced or removed. */
  touches(name: string): boolean {
    return this.#edits.has(normalHeaderName(name))
  }

  /** The headers to write, in the order of the edits. */
  *[Symbol.iterator](): Iterator<{ name: string; value: string }> {
    for (const edit of this.#edits.values()) if (edit) yield edit
  }
}

// A value that must never be printed, at either end. Code that needs the text calls `reveal()`.

import { inspect } from 'node:util'

/** Holds a secret text. Logs, JSON, template strings and the inspector all show `***`. */
export class Secret {
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  /** The text itself. Only for the place that uses it. */
  reveal(): string {
    return this.#text
  }

  toString(): string {
    return '***'
  }

  toJSON(): string {
    return '***'
  }

  [inspect.custom](): string {
    return '***'
  }
}

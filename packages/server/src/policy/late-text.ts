// Texts of a policy that are checked when it is read, but may contain `${…}`. A text that reads only secrets is replaced by its
// value before its schema sees it. A text that reads more becomes a LateText, where that is possible, and is checked for each
// exchange. Pure: no I/O, no clock.

import { z } from 'zod'

import type { ConfigPath } from '@sallyport/protocol/found-problem'

/** A text that is made for each exchange. No file can contain one, so a value with `${` in it is never read as one. */
export class LateText {
  /** As in the policy, with its `${…}`. */
  readonly source: string

  constructor(source: string) {
    this.source = source
  }
}

export interface PreparedText {
  /** The keys from `config` to the text, or to the list of texts; lists on the way do not count. */
  readonly at: readonly string[]
  /** Whether it may differ between visitors. */
  readonly mayBeLate?: true
  /** A value that its schema takes, for a check that does not know the secrets. */
  readonly example: string
}

/** Whether a path, from `config` on, leads to such a text. */
export function leadsTo({ at }: PreparedText, path: ConfigPath): boolean {
  const keys = path.filter((step) => typeof step !== 'number')
  return keys.length === at.length && keys.every((key, index) => key === at[index])
}

const LATE = z.instanceof(LateText)

/** The schema of a text that may be late. */
export function orLate<T extends z.ZodType>(schema: T) {
  return z.union([LATE, schema])
}

/** Whether a schema is one of `orLate()`. */
export function mayBeLate(schema: unknown): boolean {
  const [first] =
    typeof schema === 'object' && schema !== null && 'options' in schema && Array.isArray(schema.options)
      ? schema.options
      : []
  return first === LATE
}

export function isLate<T>(text: T | LateText): text is LateText {
  return text instanceof LateText
}

/** The LateTexts in a value, in order. */
export function* lateTextsIn(
  value: unknown,
  path: ConfigPath = [],
): Generator<{ readonly source: string; readonly path: ConfigPath }> {
  if (value instanceof LateText) yield { source: value.source, path }
  else if (Array.isArray(value) || (typeof value === 'object' && value !== null && isPlain(value))) {
    const entries = Array.isArray(value) ? value.entries() : Object.entries(value)
    for (const [key, item] of entries) yield* lateTextsIn(item, [...path, key])
  }
}

function isPlain(value: object): boolean {
  return Object.getPrototypeOf(value) === Object.prototype
}

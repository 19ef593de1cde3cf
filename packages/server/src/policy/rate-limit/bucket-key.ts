// The key of a bucket: the values of a few expressions, as one text.

import { hash } from 'node:crypto'

import type { Expression } from '../engine/expression.ts'
import type { ExpressionView } from '../engine/expression-view.ts'
import { dependsOnReading } from '../engine/readings.ts'
import { textOf } from '../engine/values.ts'
import { compiledValue } from '../conditions.ts'

// Keys live as long as their buckets, and contain text from visitors.
const KEY_MAX_BYTES = 64

export interface BucketKey {
  /** The value of the expression, or a JSON list of the values of several. */
  readonly of: (view: ExpressionView) => string
  /** Whether another reading of the path can give another key. */
  readonly isOfPath: boolean
}

/** Compiles the expressions of a key, which have no problem. */
export function compileKey(sources: readonly string[]): BucketKey {
  const expressions = sources.map((source) => compiledValue(source, 'on_http_request'))
  const isOfPath = expressions.some(({ reads }) => dependsOnReading(reads))
  const [single] = expressions
  if (single && expressions.length === 1) return { of: (view) => evaluate(single, view), isOfPath }
  // As JSON, two different lists of values never make the same text.
  return { of: (view) => JSON.stringify(expressions.map((each) => evaluate(each, view))), isOfPath }
}

/**
 * Section 14.1 of the reference: an error counts as the empty value. The bucket of the empty value is like all
 * others.
 */
function evaluate(expression: Expression, view: ExpressionView): string {
  try {
    return textOf(expression.evaluate(view))
  } catch {
    return '' // the log does not report such a failure for every request
  }
}

/**
 * Makes a short text that no other key has: a hash is longer than any key that is kept as it is. The text is a copy in
 * one piece, because a part of a text would keep the whole text in memory, and a joined text would keep its parts.
 */
export function compactKey(key: string): string {
  const bytes = Buffer.from(key, 'utf8')
  return bytes.length <= KEY_MAX_BYTES ? bytes.toString('latin1') : hash('sha512', bytes, 'base64')
}

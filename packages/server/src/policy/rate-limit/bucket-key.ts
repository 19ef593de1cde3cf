// The key of a bucket: the values of a few expressions, as one text.

import { hash } from 'node:crypto'

import type { Expression } from '../engine/expression.ts'
import type { ExpressionView } from '../engine/expression-view.ts'
import { dependsOnReading } from '../engine/readings.ts'
import { textOf } from '../engine/values.ts'
import { compiledValue } from '../conditions.ts'

// Keys live as long as their buckets, and visitors write what is in them.
const KEY_MAX_BYTES = 64

export interface BucketKey {
  /** The value of the expression, or a JSON list of the values of several. */
  readonly of: (view: ExpressionView) => string
  /** Whether it may be another one if the path is read otherwise. */
  readonly isOfPath: boolean
}

/** Compiles the expressions of a key, which have no problem. */
export function compileKey(sources: readonly string[]): BucketKey {
  const expressions = sources.map((source) => compiledValue(source, 'on_http_request'))
  const isOfPath = expressions.some(({ reads }) => dependsOnReading(reads))
  const [single] = expressions
  if (single && expressions.length === 1) return { of: (view) => evaluate(single, view), isOfPath }
  // So that no two lists of values make the same text.
  return { of: (view) => JSON.stringify(expressions.map((each) => evaluate(each, view))), isOfPath }
}

/** Section 14.1 of the reference: an error counts as the empty value. The bucket of the empty value is one like all others. */
function evaluate(expression: Expression, view: ExpressionView): string {
  try {
    return textOf(expression.evaluate(view))
  } catch {
    return '' // why it failed is not for the log of every request
  }
}

/** Of every length, as a text that no other key has: hashes are longer than keys. A copy in one piece: a part of a text would keep the whole text in memory, and so would a sum of texts its parts. */
export function compactKey(key: string): string {
  const bytes = Buffer.from(key, 'utf8')
  return bytes.length <= KEY_MAX_BYTES ? bytes.toString('latin1') : hash('sha512', bytes, 'base64')
}

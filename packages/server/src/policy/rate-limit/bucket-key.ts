// The key of a bucket: the values of a few expressions, as one short text. Below the configuration, because expressions are
// checked when they are read.

import { hash } from 'node:crypto'

import { compileExpression } from '../engine/compile-expression.ts'
import type { CompileSettings } from '../engine/compile-settings.ts'
import { Expression } from '../engine/expression.ts'
import type { ExpressionView } from '../engine/expression-view.ts'
import { textOf } from '../engine/values.ts'

// Keys live as long as their buckets, and visitors write what is in them.
const KEY_MAX_BYTES = 64

const SETTINGS: CompileSettings = { phase: 'on_http_request', known: new Set(), hasSecret: () => false }

/** What is wrong with an expression, with its place if it is not all of it. */
export function keyProblem(source: string): string | undefined {
  const compiled = compileExpression(source, SETTINGS, 'any')
  if (compiled instanceof Expression) return undefined
  const [problem] = compiled.problems
  if (!problem) return undefined
  const { message, start, end } = problem
  return start === 0 && end >= source.length ? message : `${message}, at character ${start + 1}`
}

/** Compiles the expressions of a key, which have no problem. @returns their value, or a JSON list of their values */
export function compileKey(sources: readonly string[]): (view: ExpressionView) => string {
  const expressions = sources.map((source) => {
    const compiled = compileExpression(source, SETTINGS, 'any')
    if (!(compiled instanceof Expression)) throw new TypeError('an expression that was not checked')
    return compiled
  })
  const [single] = expressions
  if (single && expressions.length === 1) return (view) => valueOf(single, view)
  // So that no two lists of values make the same text.
  return (view) => JSON.stringify(expressions.map((each) => valueOf(each, view)))
}

/** Section 14.1 of the reference: an error counts as the empty value. The bucket of the empty value is one like all others. */
function valueOf(expression: Expression, view: ExpressionView): string {
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

// A compiled template. The values that are inserted are literals: they are never read as a template or an expression again.

import type { Expression } from './expression.ts'
import { ExpressionError } from './expression-error.ts'
import type { ExpressionProblem } from './expression-problem.ts'
import type { ExpressionView } from './expression-view.ts'
import { TEXT_MAX } from './limits.ts'
import { snapshot, textOf, weightOf } from './values.ts'

export type CompiledPart = string | Expression

export class Template {
  /** The text in the policy. */
  readonly source: string
  /** The variables that it reads: see `Expression`. */
  readonly reads: ReadonlySet<string>
  readonly warnings: readonly ExpressionProblem[]
  readonly #parts: readonly CompiledPart[]
  readonly #embed: (text: string) => string

  /** @param embed is applied to each value before it is inserted, for example `quotePattern` */
  constructor(
    source: string,
    parts: readonly CompiledPart[],
    warnings: readonly ExpressionProblem[],
    embed: (text: string) => string = (text) => text,
  ) {
    this.source = source
    this.#parts = parts
    this.warnings = warnings
    this.#embed = embed
    this.reads = new Set(parts.flatMap((part) => (typeof part === 'string' ? [] : [...part.reads])))
  }

  /** The text if it is the same for every exchange; otherwise undefined. */
  get constant(): string | undefined {
    const [first = '', ...more] = this.#parts
    return typeof first === 'string' && more.length === 0 ? first : undefined
  }

  /**
   * Returns the text for an exchange.
   * @throws ExpressionError
   */
  render(view: ExpressionView): string {
    const { constant } = this
    if (constant !== undefined) return constant
    let text = ''
    let put = 0
    for (const part of this.#parts) {
      if (typeof part === 'string') {
        text += part
        continue
      }
      const value = this.#embed(textFrom(part, part.evaluate(view)))
      put += value.length
      if (put > TEXT_MAX) throw new ExpressionError(part.source, `puts in more than ${TEXT_MAX} characters`)
      text += value
    }
    return text
  }

  /**
   * Returns the value for `set-vars`: if the whole text is exactly one placeholder, its value keeps its type.
   * @throws ExpressionError
   */
  value(view: ExpressionView): unknown {
    const [only, ...more] = this.#parts
    if (only === undefined || typeof only === 'string' || more.length > 0) return this.render(view)
    const value = only.evaluate(view)
    if (weightOf(value, VALUE_MAX) > VALUE_MAX)
      throw new ExpressionError(only.source, 'makes a value that is too large')
    return snapshot(value)
  }
}

/** The largest weight of a value that is kept: a mebibyte or two. */
const VALUE_MAX = 64 * 1024

function textFrom(expression: Expression, value: unknown): string {
  if (typeof value === 'string') return value
  if (weightOf(value, TEXT_MAX) > TEXT_MAX)
    throw new ExpressionError(expression.source, 'makes a value that is too large')
  try {
    return textOf(value)
  } catch (error) {
    throw new ExpressionError(expression.source, error instanceof Error ? error.message : 'has no text', {
      cause: error,
    })
  }
}

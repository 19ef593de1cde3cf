// A compiled template. The values that are inserted are literals: they are never read as a template or an expression again.

import type { Expression } from './expression.ts'
import { ExpressionError } from './expression-error.ts'
import type { ExpressionProblem } from './expression-problem.ts'
import type { ExpressionView } from './expression-view.ts'
import { TEXT_MAX, VALUE_WEIGHT_MAX } from './limits.ts'
import { readsSecrets } from './readings.ts'
import type { Demand } from './tree/demands.ts'
import { celValue, snapshot, textOf, weightOf } from './values.ts'

export type CompiledPart = string | Expression

export class Template {
  /** The text in the policy. */
  readonly source: string
  /** The variables that it reads: see `Expression`. */
  readonly reads: ReadonlySet<string>
  /** See `Expression`; places are in the template. */
  readonly demands: readonly Demand[]
  readonly warnings: readonly ExpressionProblem[]
  readonly #parts: readonly CompiledPart[]
  readonly #embed: (text: string) => string

  /** @param embed changes each value before it is inserted, for example `quotePattern` */
  constructor(
    source: string,
    parts: readonly CompiledPart[],
    found: { readonly demands: readonly Demand[]; readonly warnings: readonly ExpressionProblem[] } = NOTHING,
    embed: (text: string) => string = (text) => text,
  ) {
    this.source = source
    this.#parts = parts
    this.demands = found.demands
    this.warnings = found.warnings
    this.#embed = embed
    this.reads = new Set(parts.flatMap((part) => (typeof part === 'string' ? [] : [...part.reads])))
  }

  /** The text if it is the same for every exchange; otherwise undefined. */
  get constant(): string | undefined {
    const [first = '', ...more] = this.#parts
    return typeof first === 'string' && more.length === 0 ? first : undefined
  }

  /** Whether it reads something that must not be logged. */
  get readsSecrets(): boolean {
    return readsSecrets(this.reads)
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
      spend(part, view, value.length >> 5)
      put += value.length
      if (put > TEXT_MAX) throw new ExpressionError(part.source, `inserts more than ${TEXT_MAX} characters`)
      text += value
    }
    return text
  }

  /**
   * Returns the value for `set-vars`. If the whole text is exactly one placeholder, its value keeps its type.
   * @throws ExpressionError
   */
  value(view: ExpressionView): unknown {
    const [only, ...more] = this.#parts
    if (only === undefined || typeof only === 'string' || more.length > 0) return this.render(view)
    const value = only.evaluate(view)
    const weight = weightOf(value, VALUE_WEIGHT_MAX)
    if (weight > VALUE_WEIGHT_MAX) throw new ExpressionError(only.source, 'makes a value that is too large')
    spend(only, view, weight)
    return snapshot(value)
  }
}

const NOTHING = { demands: [], warnings: [] }

/** Counts the insertion of a value as work, too: a policy may insert the same large value very often. */
function spend({ source }: Expression, { budget }: ExpressionView, units: number): void {
  budget.begin()
  try {
    budget.spend(units)
  } catch (error) {
    throw new ExpressionError(source, error instanceof Error ? error.message : 'does too much work', { cause: error })
  }
}

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

/** The value for an exchange, in the form of values.ts. @throws ExpressionError */
export type TemplateValue = (view: ExpressionView) => unknown

/**
 * A text that is exactly one placeholder keeps the type of its value.
 * @param templateOf compiles a text that has placeholders
 */
export function templateValue(written: unknown, templateOf: (source: string) => Template): TemplateValue {
  if (typeof written === 'string' && written.includes('${')) {
    const template = templateOf(written)
    return (view) => template.value(view)
  }
  if (Array.isArray(written)) {
    const items = written.map((item: unknown) => templateValue(item, templateOf))
    return (view) => items.map((item) => item(view))
  }
  if (typeof written === 'object' && written !== null) {
    const entries = Object.entries(written).map(([key, item]) => [key, templateValue(item, templateOf)] as const)
    return (view) => new Map(entries.map(([key, item]) => [key, item(view)]))
  }
  const value = celValue(written)
  return () => value
}

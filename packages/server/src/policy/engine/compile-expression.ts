// Compiles an expression: parses it, checks names and types, and bounds its cost. It reports every problem with its
// place in the text. See docs/decisions/0033-expressions.md.

import { printable } from '@sallyport/protocol/printable'

import type { CompileSettings } from './compile-settings.ts'
import { language, withoutOwnNames } from './environment.ts'
import { Expression } from './expression.ts'
import { type ExpressionProblem, UnfitExpression, shownName } from './expression-problem.ts'
import type { ExpressionView } from './expression-view.ts'
import { EXPRESSION_MAX_CHARS } from './limits.ts'
import { instrument, release } from './tree/instrument.ts'
import { prepare } from './tree/prepare.ts'
import { syntaxHint, typeHint } from './tree/syntax-hint.ts'
import type { LoopContext, Tree } from './tree/tree.ts'
import type { Found } from './tree/walk.ts'

/**
 * @param result `bool` for the condition of a rule
 * @returns the expression, or at least one problem with its place in `source`
 */
export function compileExpression(
  source: string,
  settings: CompileSettings,
  result: 'bool' | 'any' = 'bool',
): Expression | { problems: ExpressionProblem[] } {
  try {
    return compile(source, settings, result)
  } catch (error) {
    return { problems: [problemOf(error, source)] }
  }
}

function compile(source: string, settings: CompileSettings, result: 'bool' | 'any'): Expression {
  const whole = { start: 0, end: source.length }
  if (source.length > EXPRESSION_MAX_CHARS) {
    throw new UnfitExpression(`the expression has more than ${EXPRESSION_MAX_CHARS} characters`, whole)
  }
  if (source.trim() === '') throw new UnfitExpression('the expression is empty', whole)
  refusePlaceholder(source)
  const known = language()
  const parsed = known.environment.parse(source)
  const tree = parsed.ast as unknown as Tree // see tree/tree.ts
  const found: Found = {
    reads: new Set(),
    demands: [],
    warnings: [],
    patterns: new Map(),
    costs: new Map(),
    unguarded: [],
    guards: new Set(),
  }
  prepare(tree, { language: known, settings, found, names: new Map(), steps: 1, depth: 0 })
  const { valid, type = 'dyn', error } = parsed.check()
  if (!valid) throw error
  if (result === 'bool' && type !== 'bool' && type !== 'dyn') {
    throw new UnfitExpression(`the condition is of the type ${withoutOwnNames(type)}, and must be true or false`, whole)
  }
  const loops: LoopContext[] = []
  instrument(tree, found, loops)
  return new Expression({
    source,
    type: withoutOwnNames(type),
    reads: found.reads,
    demands: found.demands,
    warnings: [...found.warnings, ...warnOfIndices(found)],
    run: loops.length === 0 ? (view): unknown => parsed(view) : runAndRelease(parsed, loops),
  })
}

function runAndRelease(parsed: (view: ExpressionView) => unknown, loops: readonly LoopContext[]) {
  return (view: ExpressionView): unknown => {
    try {
      return parsed(view)
    } finally {
      release(loops)
    }
  }
}

/** `… == ${vars.test}` is in ngrok's docs but is not CEL. It is allowed inside a text of CEL. */
function refusePlaceholder(source: string): void {
  const start = source.replace(TEXT_LITERAL, (text) => ' '.repeat(text.length)).indexOf('${')
  if (start === -1) return
  const end = source.indexOf('}', start)
  const inside = end === -1 ? 'vars.test' : source.slice(start + 2, end).trim()
  throw new UnfitExpression(`expressions are CEL already; write ${inside} without \${}`, {
    start,
    end: end === -1 ? source.length : end + 1,
  })
}

const TEXT_LITERAL = /'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"/g

/** Section 14.1 of the reference: such a rule fails for every visitor who does not send the header. */
function warnOfIndices({ unguarded, guards }: Found): ExpressionProblem[] {
  return unguarded
    .filter(({ key }) => !guards.has(key))
    .map(({ key, start, end }): ExpressionProblem => {
      if (key.endsWith('.content_length')) {
        return {
          message: `an exchange without Content-Length is refused here; write has(${key}) && … before it`,
          start,
          end,
          isAboutGap: true,
        }
      }
      const [, of, name] = /^(.*?\.(?:headers|cookies|query_params))\.(.*)$/.exec(key) ?? []
      const message = `an exchange without ${name} is refused here; write '${name}' in ${of} && … before it`
      return { message: printable(message), start, end, isAboutGap: true }
    })
}

function problemOf(error: unknown, source: string): ExpressionProblem {
  if (error instanceof UnfitExpression) return error.problem
  if (error instanceof RangeError) {
    return { message: 'the expression is nested too deep', start: 0, end: source.length }
  }
  // The library also has errors without a place, for types that it cannot choose an operator for.
  if (!(error instanceof Error) || !('range' in error)) {
    return {
      message: 'the types of this expression are not known; write it in another way',
      start: 0,
      end: source.length,
    }
  }
  const { start, end } = (error.range ?? { start: 0, end: source.length }) as { start: number; end: number } // the library's
  const summary = 'summary' in error ? String(error.summary) : error.message
  const code = 'code' in error ? String(error.code) : ''
  // The library repeats parts of the expression unchanged.
  return { message: printable(sentenceOf(code, summary, source, { start, end })), start, end }
}

/** The library's message, or our own words if that message names the parser's tokens. */
function sentenceOf(code: string, summary: string, source: string, at: { start: number; end: number }): string {
  const place = source.slice(at.start, at.end)
  switch (code) {
    case 'limit_exceeded':
      return 'the expression is nested too deep, or has too many parts'
    case 'unterminated_string':
    case 'unterminated_triple_quoted_string':
      return 'the text has no closing quote'
    case 'unexpected_character':
    case 'unexpected_token':
    case 'expected_token':
      if (place.trim() === '') return 'the expression ends too early'
      return `this is not an expression of CEL: ${quoted(place)}${syntaxHint(source, at)}`
    case 'reserved_identifier':
      return `${place} is a reserved word of CEL, not a name${syntaxHint(source, at)}`
    case 'no_such_key':
      return `there is no field ${shownName(summary.replace(/^No such key: /, ''))}`
    default: {
      const message = withoutOwnNames(summary.charAt(0).toLowerCase() + summary.slice(1))
      return `${message}${typeHint(message)}`
    }
  }
}

function quoted(place: string): string {
  return JSON.stringify(place.length > 40 ? `${place.slice(0, 40)}…` : place)
}

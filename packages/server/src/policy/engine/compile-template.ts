// Compiles a text with `${…}`: each placeholder is an expression or a variable of the environment.

import { printable } from '@sallyport/protocol/printable'

import type { CompileSettings } from './compile-settings.ts'
import { compileExpression } from './compile-expression.ts'
import { type ExpressionProblem, UnfitExpression } from './expression-problem.ts'
import { TEMPLATE_MAX_CHARS } from './limits.ts'
import { olderPlaceholder } from './older-placeholders.ts'
import type { OlderPlaceholder } from './older-placeholders.ts'
import { type TemplatePart, readTemplate } from './read-template.ts'
import { type CompiledPart, Template } from './template.ts'
import type { Demand } from './tree/demands.ts'

export interface TemplateSettings extends CompileSettings {
  /**
   * Reads the environment, for `${NAME}` and `${NAME:default}`. It is present only for relay.yml. The value is a
   * literal. An empty variable counts as missing, as everywhere in relay.yml.
   */
  readonly environment?: (name: string) => string | undefined
  /** A function that changes each value before it is inserted: `quotePattern` for a regular expression. */
  readonly embed?: (text: string) => string
}

/** @returns the template, or at least one problem with its place in `text` */
export function compileTemplate(
  text: string,
  settings: TemplateSettings,
): Template | { problems: ExpressionProblem[] } {
  if (text.length > TEMPLATE_MAX_CHARS) {
    return {
      problems: [{ message: `the text has more than ${TEMPLATE_MAX_CHARS} characters`, start: 0, end: text.length }],
    }
  }
  if (!text.includes('${')) return new Template(text, text === '' ? [] : [text])
  let parts: TemplatePart[]
  try {
    parts = readTemplate(text, settings.environment !== undefined)
  } catch (error) {
    if (error instanceof UnfitExpression) return { problems: [error.problem] }
    throw error
  }
  const problems: ExpressionProblem[] = []
  const demands: Demand[] = []
  const warnings: ExpressionProblem[] = []
  const compiled = parts.map((part): CompiledPart => {
    if (part.kind === 'text') return part.text
    if (part.kind === 'environment') return readVariable(part, settings, problems)
    const older = olderPlaceholder(part.source)
    if (older) return readOlder(part, older, settings, { problems, demands, warnings })
    const expression = compileExpression(part.source, settings, 'any')
    if ('problems' in expression) {
      problems.push(...expression.problems.map((each) => within(part, each, settings)))
      return ''
    }
    demands.push(...expression.demands.map((each) => ({ ...each, ...placeWithin(part, each) })))
    warnings.push(...expression.warnings.map((each) => within(part, each, settings)))
    return expression
  })
  return problems.length > 0
    ? { problems }
    : new Template(text, joined(compiled), { demands, warnings }, settings.embed)
}

function readVariable(
  { name, preset, start, end }: TemplatePart & { kind: 'environment' },
  { environment }: TemplateSettings,
  problems: ExpressionProblem[],
): string {
  const value = environment?.(name) || preset
  if (value !== undefined) return value
  const message = `the environment variable ${name} is not set; set it, or write \${${name}:default}`
  problems.push({ message, start, end })
  return ''
}

interface FoundInTemplate {
  readonly problems: ExpressionProblem[]
  readonly demands: Demand[]
  readonly warnings: ExpressionProblem[]
}

function readOlder(
  { start, end }: TemplatePart & { kind: 'expression' },
  { older, current, shown }: OlderPlaceholder,
  settings: TemplateSettings,
  { problems, demands, warnings }: FoundInTemplate,
): CompiledPart {
  if (current === undefined) {
    const message = `\${${older}} is an older form without a current one; remove it`
    problems.push({ message: printable(message), start, end })
    return ''
  }
  const message = `\${${older}} is an older form; write \${${shown}}`
  const expression = compileExpression(current, settings, 'any')
  if ('problems' in expression) {
    problems.push(...expression.problems.map((each) => ({ message: `${message}, but ${each.message}`, start, end })))
    return ''
  }
  demands.push(...expression.demands.map((each) => ({ ...each, start, end })))
  warnings.push({ message, start, end })
  return expression
}

function within(
  part: TemplatePart & { kind: 'expression' },
  problem: ExpressionProblem,
  { environment }: TemplateSettings,
): ExpressionProblem {
  const isVariable = environment === undefined && /^[A-Z_][A-Z0-9_]*(?::.*)?$/.test(part.source)
  const message = isVariable ? `${problem.message}; the environment is not read here` : problem.message
  return { message, ...placeWithin(part, problem) }
}

interface Place {
  readonly start: number
  readonly end: number
}

/** Translates a place in an expression to a place in its template. */
function placeWithin({ offsets, start, end }: TemplatePart & { kind: 'expression' }, place: Place): Place {
  return { start: offsets[place.start] ?? start, end: offsets[place.end] ?? end }
}

/** Joins adjacent texts, so that a template that reads only the environment is constant. */
function joined(parts: readonly CompiledPart[]): CompiledPart[] {
  const all: CompiledPart[] = []
  for (const part of parts) {
    const last = all.at(-1)
    if (typeof part === 'string' && typeof last === 'string') all[all.length - 1] = last + part
    else all.push(part)
  }
  return all
}

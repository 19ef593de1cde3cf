// The conditions of a rule: if one of its expressions does not hold, its actions are skipped.

import { RelayError } from '../errors.ts'
import type { AppAnswer } from '../exchange/app-answer.ts'
import type { Exchange } from '../exchange/exchange.ts'
import type { Expression } from './engine/expression.ts'
import { ExpressionError } from './engine/expression-error.ts'
import type { ExpressionView } from './engine/expression-view.ts'
import { dependsOnReading, readsPath as pathIsIn, readsResult } from './engine/readings.ts'
import { child } from '../values/written-tree.ts'
import { conditionOf, retryConditionOf, templateOf, valueOf } from './language.ts'
import { PHASES, kindOf } from './kind.ts'
import type { Phase, Step } from './kind.ts'
import { KINDS } from './kinds.ts'
import type { Remembering } from './note-result.ts'
import type { SourcesParts } from './sources/sources.ts'
import { templatesOf } from './templates-of.ts'
import { inEveryReading } from './view-of.ts'

/** Whether the conditions hold. @throws RelayError if an expression fails, which refuses the exchange */
export type Holds = (exchange: Exchange, answer?: AppAnswer) => boolean

export interface ConditionalRule {
  readonly name?: string
  readonly expressions?: readonly string[]
}

/**
 * @param index of the rule in its phase, for the log
 * @returns undefined for a rule that always runs
 */
export function holdsOf(
  { name, expressions = [] }: ConditionalRule,
  phase: Phase,
  index: number,
  { sources }: SourcesParts,
): Holds | undefined {
  if (expressions.length === 0) return undefined
  const conditions = expressions.map((source) => compiled(source, phase))
  const isOfPath = conditions.some(({ reads }) => dependsOnReading(reads))
  const rule = ruleWords({ name }, phase, index)
  const decide = (view: ExpressionView): boolean => allHold(conditions, view)
  return (exchange, answer) => {
    try {
      return inEveryReading(decide, isOfPath, sources, exchange, answer)
    } catch (error) {
      throw failedExpression(error, rule)
    }
  }
}

/** A rule, for the log: `on_http_request[0] "name"`. */
export function ruleWords({ name }: { readonly name?: string | undefined }, phase: Phase, index: number): string {
  return name === undefined ? `${phase}[${index}]` : `${phase}[${index}] "${name}"`
}

/** The rules of some phases. */
type Rules = { readonly [P in Phase]?: readonly (ConditionalRule & { readonly actions: readonly Step[] })[] }

/** Which results of actions the expressions of some rules read. */
export function rememberingOf(policy: Rules): Remembering {
  const reads = hasLanguage(policy) ? readsOf(policy) : NOTHING
  return { readsResult: (result) => readsResult(reads, result) }
}

const NOTHING: ReadonlySet<string> = new Set()

/** Whether a policy has an expression in any place. */
export function hasLanguage(policy: Rules): boolean {
  return PHASES.some((phase) =>
    policy[phase]?.some(
      ({ expressions = [], actions }) =>
        expressions.length > 0 ||
        actions.some((step) => [...expressionsOf(step), ...textsOf(step), ...retriesOf(step)].length > 0),
    ),
  )
}

/** The variables that all expressions of a policy read, in conditions and in actions. */
function readsOf(policy: Rules): ReadonlySet<string> {
  const reads = PHASES.flatMap((phase) =>
    (policy[phase] ?? []).flatMap(({ expressions = [], actions }) => [
      ...expressions.map((source) => compiled(source, phase).reads),
      ...actions.flatMap(expressionsOf).map((source) => compiledValue(source, phase).reads),
      ...actions.flatMap((step) => textsOf(step).map((source) => readsOfText(source, phase))),
      ...actions.flatMap((step) =>
        retriesOf(step).map((source) => whole(retryConditionOf(source, phase), source).reads),
      ),
    ]),
  )
  return new Set(reads.flatMap((each) => [...each]))
}

/**
 * Whether a policy reads the path in any form: by a condition, by an action itself, or by an expression or a text of
 * an action.
 */
export function readsPath(policy: Rules): boolean {
  return PHASES.some((phase) =>
    policy[phase]?.some(
      ({ expressions = [], actions }) =>
        expressions.some((source) => pathIsIn(compiled(source, phase).reads)) ||
        actions.some(({ type }) => kindOf(KINDS, type)?.readsPath) ||
        actions.flatMap(expressionsOf).some((source) => pathIsIn(compiledValue(source, phase).reads)) ||
        actions.some((step) => textsReadPath(step, phase)),
    ),
  )
}

/** Its `retry_condition`, which alone reads `attempts`. */
function retriesOf({ config }: Step): string[] {
  const written = child(config, 'retry_condition')
  return typeof written === 'string' ? [written] : []
}

function expressionsOf({ type, config }: Step): readonly string[] {
  return kindOf(KINDS, type)?.expressions?.(config) ?? []
}

/** Those of the actions inside it as well. */
function textsOf({ type, config }: Step): string[] {
  const kind = kindOf(KINDS, type)
  if (!kind) return []
  const own = [...templatesOf(kind, config)].map(({ source }) => source)
  return [...own, ...(kind.inside?.(config) ?? []).flatMap(textsOf)]
}

function readsOfText(source: string, phase: Phase): ReadonlySet<string> {
  const template = templateOf(source, phase)
  if ('problems' in template) throw new TypeError(`not a template: ${source}`) // the configuration was checked before
  return template.reads
}

function textsReadPath(step: Step, phase: Phase): boolean {
  return textsOf(step).some((source) => {
    const template = templateOf(source, phase)
    return 'problems' in template || pathIsIn(template.reads)
  })
}

/** @returns the refusal of the exchange if the error is that of an expression; any other error unchanged */
export function failedExpression(error: unknown, where: string): unknown {
  if (!(error instanceof ExpressionError)) return error
  return new RelayError('expression_failed', { detail: `${where}: ${cut(error.expression)}: ${error.reason}` })
}

const DETAIL_MAX_CHARS = 200

function cut(expression: string): string {
  return expression.length > DETAIL_MAX_CHARS ? `${expression.slice(0, DETAIL_MAX_CHARS)}…` : expression
}

function compiled(source: string, phase: Phase): Expression {
  return whole(conditionOf(source, phase), source)
}

/** An expression of an action, which may have any value. */
export function compiledValue(source: string, phase: Phase): Expression {
  return whole(valueOf(source, phase), source)
}

function whole(compilation: ReturnType<typeof conditionOf>, source: string): Expression {
  if ('problems' in compilation) throw new TypeError(`not an expression: ${source}`) // the configuration was checked before
  return compilation
}

function allHold(conditions: readonly Expression[], view: ExpressionView): boolean {
  for (const condition of conditions) if (!condition.isTrue(view)) return false
  return true
}

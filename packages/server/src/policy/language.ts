// The language of expressions, for code that reads policies. It is loaded with the first policy that has expressions,
// because most relays have none, and loading takes some megabytes and milliseconds.

import type { FoundProblem } from '@sallyport/protocol/found-problem'

import type { Pattern, PatternCache } from './engine/patterns.ts'
import type { Expression } from './engine/expression.ts'
import type { ExpressionProblem } from './engine/expression-problem.ts'
import { ExpressionError } from './engine/expression-error.ts'
import { ExpressionView } from './engine/expression-view.ts'
import type { Facts } from './engine/facts.ts'
import type { Template } from './engine/template.ts'
import { unmetDemands } from './engine/tree/demands.ts'
import type { Supply } from './engine/tree/demands.ts'
import { child } from '../values/written-tree.ts'
import { OLDER_PHASES, PHASES } from './kind.ts'
import type { Phase } from './kind.ts'
import { isConstant } from './templates-of.ts'
import { literally } from './urls/replacement.ts'

type Compiler = typeof import('./engine/compile-expression.ts') &
  typeof import('./engine/compile-template.ts') &
  typeof import('./engine/patterns.ts')

let compiler: Compiler | undefined
/**
 * Compiled expressions, by their phase, result and text. A policy is first checked and then built, and many policies
 * are alike.
 */
const expressions = new Map<string, ReturnType<Compiler['compileExpression']>>()
const templates = new Map<string, ReturnType<Compiler['compileTemplate']>>()
const EXPRESSIONS_MAX = 10_000
/** Keys of actions whose values are expressions. */
const KEYS_OF_ACTIONS = ['bucket_key', 'retry_condition']
/** Actions with patterns. */
const WITH_PATTERNS = ['redirect', 'url-rewrite']

/**
 * Whether the text of a policy, or of relay.yml, may have expressions or patterns.
 * @param env its variables: a value with `$` may have to be written as an expression
 */
export function mayHaveExpressions(text: string, env: Readonly<Record<string, string | undefined>>): boolean {
  const words = ['expressions', ...KEYS_OF_ACTIONS, ...WITH_PATTERNS]
  if (words.some((word) => text.includes(word)) || NO_VARIABLE.test(text)) return true
  return [...text.matchAll(VARIABLE)].some(([, name = '']) => env[name]?.includes('$'))
}

const VARIABLE = /\$\{([A-Z_][A-Z0-9_]*)/g

/** A placeholder that is not a variable of the environment: those are in capitals. */
const NO_VARIABLE = /\$\{(?![A-Z_][A-Z0-9_]*[:}])/

/** The same for a policy that an agent has sent and that has not been checked yet. */
export function hasExpressions(policy: unknown): boolean {
  return [...PHASES, ...Object.keys(OLDER_PHASES)].some((phase) => {
    const rules = child(policy, phase)
    return Array.isArray(rules) && rules.some((rule) => child(rule, 'expressions') !== undefined || isInActions(rule))
  })
}

function isInActions(rule: unknown): boolean {
  const actions = child(rule, 'actions')
  if (!Array.isArray(actions)) return false
  if (actions.some((action) => WITH_PATTERNS.includes(String(child(action, 'type'))))) return true
  const configs = actions.map((action) => child(action, 'config'))
  return configs.some(
    (config) => KEYS_OF_ACTIONS.some((key) => child(config, key) !== undefined) || hasTemplate(config),
  )
}

/** Not recursive, because the value has not been checked yet and may be nested to any depth. */
function hasTemplate(config: unknown): boolean {
  const open = [config]
  while (open.length > 0) {
    const value = open.pop()
    if (typeof value === 'string' && !isConstant(value)) return true
    if (typeof value === 'object' && value !== null) for (const each of Object.values(value)) open.push(each)
  }
  return false
}

/** Must be awaited before a policy with expressions is read. */
export async function loadLanguage(): Promise<void> {
  if (compiler) return
  const [ofExpressions, ofTemplates, ofPatterns] = await Promise.all([
    import('./engine/compile-expression.ts'),
    import('./engine/compile-template.ts'),
    import('./engine/patterns.ts'),
  ])
  compiler = { ...ofExpressions, ...ofTemplates, ...ofPatterns }
}

/**
 * A regular expression of RE2 that is written in a policy.
 * @returns a problem, as the end of a sentence, if it is not valid or too large
 * @throws TypeError before loadLanguage()
 */
export function patternOf(source: string): Pattern | { problem: string } {
  if (!compiler) throw new TypeError('the language of expressions is not loaded')
  return compiler.compilePattern(source)
}

/**
 * Patterns that are made while a policy runs.
 * @throws TypeError before loadLanguage()
 */
export function patternCache(): PatternCache {
  if (!compiler) throw new TypeError('the language of expressions is not loaded')
  return new compiler.PatternCache()
}

/**
 * The condition of a rule.
 * @param supply the data that its policy has. A check passes it, so that missing data is a problem
 * @returns problems if it is not valid; their paths are empty
 * @throws TypeError before loadLanguage()
 */
export function conditionOf(source: string, phase: Phase, supply?: Supply): Expression | { problems: FoundProblem[] } {
  return supplied(compile(source, phase, 'bool'), source, supply)
}

/** The same for an expression that may have any value. */
export function valueOf(source: string, phase: Phase, supply?: Supply): Expression | { problems: FoundProblem[] } {
  return supplied(compile(source, phase, 'any'), source, supply)
}

/** The same for a `retry_condition`, which knows the tries before it. */
export function retryConditionOf(
  source: string,
  phase: Phase,
  supply?: Supply,
): Expression | { problems: FoundProblem[] } {
  if (!compiler) throw new TypeError('the language of expressions is not loaded')
  const { compileExpression } = compiler
  const compiled = remembered(expressions, `${phase} retry ${source}`, () =>
    compileExpression(source, { phase, hasAttempts: true }, 'bool'),
  )
  return supplied(compiled, source, supply)
}

function supplied<T extends Expression | Template>(
  compiled: T | { problems: ExpressionProblem[] },
  source: string,
  supply: Supply | undefined,
): T | { problems: FoundProblem[] } {
  const problems =
    'problems' in compiled ? compiled.problems : supply ? unmetDemands(compiled.demands, supply) : NO_PROBLEMS
  if (!('problems' in compiled) && problems.length === 0) return compiled
  return { problems: problems.map((problem) => ({ path: [], message: withPlace(problem, source) })) }
}

const NO_PROBLEMS: readonly ExpressionProblem[] = []

/**
 * How values are escaped before they are inserted into a text, so that they stay literals in a pattern or in a
 * replacement.
 */
export type Embedding = 'in a pattern' | 'in a replacement'

/**
 * A text with `${…}`.
 * @returns problems if something in it is wrong; their paths are empty
 * @throws TypeError before loadLanguage()
 */
export function templateOf(
  source: string,
  phase: Phase,
  embedding?: Embedding,
  supply?: Supply,
): Template | { problems: FoundProblem[] } {
  if (!compiler) throw new TypeError('the language of expressions is not loaded')
  const { compileTemplate } = compiler
  const embed = embedding && EMBED[embedding](compiler)
  const compiled = remembered(templates, `${phase} ${embedding ?? ''} ${source}`, () =>
    compileTemplate(source, { phase, ...(embed && { embed }) }),
  )
  return supplied(compiled, source, supply)
}

/**
 * The text of a template that reads nothing but secrets.
 * @returns why it cannot be made, and by which expression, if it cannot
 */
export function constantOf(
  template: Template,
  secret: Facts['secret'],
): { value: string } | { expression: string; reason: string } {
  try {
    const facts: Pick<Facts, 'secret'> = { secret }
    return { value: template.render(new ExpressionView(facts as Facts)) } // it reads nothing else
  } catch (error) {
    if (error instanceof ExpressionError) return error
    throw error
  }
}

const EMBED: Readonly<Record<Embedding, (compiler: Compiler) => (value: string) => string>> = {
  'in a pattern': ({ quotePattern }) => quotePattern,
  'in a replacement': () => literally,
}

function compile(source: string, phase: Phase, result: 'bool' | 'any'): ReturnType<Compiler['compileExpression']> {
  if (!compiler) throw new TypeError('the language of expressions is not loaded')
  const { compileExpression } = compiler
  return remembered(expressions, `${phase} ${result} ${source}`, () => compileExpression(source, { phase }, result))
}

function remembered<T>(memory: Map<string, T>, key: string, make: () => T): T {
  const known = memory.get(key)
  if (known !== undefined) return known
  const made = make()
  if (memory.size >= EXPRESSIONS_MAX) memory.clear()
  memory.set(key, made)
  return made
}

/**
 * Remarks on parts of an expression or a template that work, but are older or may not do what the author expects. Each
 * is a sentence with its place.
 * @param mayFail whether the value counts as empty if the expression fails; a missing value is no remark then
 */
export function remarksOn({ warnings, source }: Expression | Template, mayFail = false): string[] {
  const told = warnings.filter(({ isAboutGap }) => !(mayFail && isAboutGap))
  return told.map((warning) => withPlace(warning, source))
}

const EXCERPT_MAX_CHARS = 40

/** Adds the place in the text, because a text may have many parts. */
function withPlace({ message, start, end }: ExpressionProblem, source: string): string {
  if (start === 0 && end >= source.length) return message
  const part = source.slice(start, end)
  const excerpt = part.length > EXCERPT_MAX_CHARS ? `${part.slice(0, EXCERPT_MAX_CHARS)}…` : part
  return `${message} (character ${start + 1}${excerpt.trim() === '' ? '' : `: ${excerpt}`})`
}

// Checks that functions and methods exist in this phase. Our functions have names of their own in the library, and get
// the view as an argument. So this code renames calls in place, after parsing and before the type check.

import { normalHeaderName } from '../../../values/normal-header-name.ts'
import { ownName } from '../environment.ts'
import { UnfitExpression } from '../expression-problem.ts'
import type { FunctionDefinition } from '../functions/define-function.ts'
import { compilePattern } from '../patterns.ts'
import { phaseWords } from '../phase.ts'
import { hint } from './check-variables.ts'
import { type CallArgs, type MethodArgs, type Tree, literalText } from './tree.ts'
import type { Walk } from './walk.ts'

/** The macros, which the library expands when it parses. */
export const MACROS = ['all', 'exists', 'exists_one', 'filter', 'map', 'sortBy']

/** How each macro is written. */
export const MACRO_FORMS: Readonly<Record<string, string>> = {
  all: 'all(x, condition)',
  exists: 'exists(x, condition)',
  exists_one: 'exists_one(x, condition)',
  filter: 'filter(x, condition)',
  map: 'map(x, value) or map(x, condition, value)',
  sortBy: 'sortBy(x, key)',
}

/** Words from other languages and from wrong examples in ngrok's docs, each with the function that is meant. */
const MEANT: Readonly<Record<string, string>> = {
  includes: 'contains',
  has: 'contains',
  starts_with: 'startsWith',
  ends_with: 'endsWith',
  hasPrefix: 'startsWith',
  hasSuffix: 'endsWith',
  toLowerCase: 'lower',
  toUpperCase: 'upper',
  toLower: 'lower',
  toUpper: 'upper',
  length: 'size',
  len: 'size',
  match: 'matches',
  test: 'matches',
  some: 'exists',
  any: 'exists',
  every: 'all',
  find: 'filter',
  getHeader: 'getReqHeader',
  hasHeader: 'hasReqHeader',
  getCookie: 'getReqCookie',
  now: 'timestamp(time.now)',
  'hash.crc': 'hash.crc32',
}

/**
 * `f(a)`
 * @throws UnfitExpression
 */
export function checkCall(node: Tree, walk: Walk): void {
  const [name, args] = node.args as CallArgs
  if (name === 'dyn' || name === 'type') return
  const { functions } = walk.language
  const definitions = functions.get(name)
  if (!definitions) {
    throw new UnfitExpression(`there is no function ${name}${hint(MEANT[name], name, functions.keys())}`, {
      start: node.start,
      end: node.start + name.length,
    })
  }
  checkUse(node, name, args.length, definitions, walk)
  noteKey(definitions, args, walk)
  if (name === 'matches') takePattern(node, args[1], walk)
}

/**
 * `a.f(b)`
 * @throws UnfitExpression
 */
export function checkMethod(node: Tree, walk: Walk): void {
  const [name, , args] = node.args as MethodArgs
  const { methods } = walk.language
  const definitions = methods.get(name)
  if (!definitions) {
    throw new UnfitExpression(
      `there is no function ${name}${hint(MEANT[name], name, [...methods.keys(), ...MACROS])}`,
      methodPlace(node),
    )
  }
  checkUse(node, name, args.length, definitions, walk)
  if (name === 'matches') takePattern(node, args[0], walk)
}

/**
 * `hash.f(a)`
 * @throws UnfitExpression
 */
export function checkNamespaced(node: Tree, walk: Walk): void {
  const [name, receiver, args] = node.args as MethodArgs
  const namespace = receiver.args as string // of an identifier
  const known = walk.language.namespaces.get(namespace) ?? new Map<string, FunctionDefinition[]>()
  const definitions = known.get(name)
  if (!definitions) {
    const where = hint(MEANT[`${namespace}.${name}`], name, known.keys(), `${namespace}.`)
    throw new UnfitExpression(`there is no function ${namespace}.${name}${where}`, methodPlace(node))
  }
  checkUse(node, `${namespace}.${name}`, args.length, definitions, walk)
  if (namespace === 'secrets') noteSecret(node, args, walk)
}

/** Renames the call of a function, after its check and after its arguments have been prepared. */
export function takeOver(node: Tree, args: Tree[], { language }: Walk): void {
  const named = node.args as [name: string, ...unknown[]] // of calls of all kinds
  if (named[0] === 'dyn' || named[0] === 'type') return
  named[0] = ownName(named[0])
  args.unshift(language.viewNode)
}

/** For a macro that the library did not expand, because the number of its arguments is wrong. */
export function refuseMacro(node: Tree): never {
  const [name] = node.args as MethodArgs
  throw new UnfitExpression(`${name} is written as ${MACRO_FORMS[name]}`, methodPlace(node))
}

function methodPlace(node: Tree): { start: number; end: number } {
  const [name, receiver] = node.args as MethodArgs
  return { start: receiver.end + 1, end: receiver.end + 1 + name.length }
}

function checkUse(
  node: Tree,
  name: string,
  count: number,
  definitions: readonly FunctionDefinition[],
  { settings, found }: Walk,
): void {
  const { phases, reads } = definitions[0] ?? {} // all forms of a function are alike in these
  if (phases && !phases.includes(settings.phase)) {
    throw new UnfitExpression(`${name} exists in ${phaseWords(phases)} only`, node)
  }
  if (!definitions.some(({ signature }) => argumentsIn(signature) === count)) {
    const forms = [...new Set(definitions.map(({ signature }) => signature.replace(/: .*$/, '')))]
    throw new UnfitExpression(`${name} has other arguments: ${forms.join(', ')}`, node)
  }
  if (reads !== undefined) found.reads.add(reads)
}

function argumentsIn(signature: string): number {
  const args = signature.slice(signature.indexOf('(') + 1, signature.lastIndexOf('): '))
  return args === '' ? 0 : args.split(',').length
}

/** `getReqHeader('x')` reads `req.headers.x`, and `hasReqHeader('x')` guards it. */
function noteKey([definition]: readonly FunctionDefinition[], args: readonly Tree[], { found }: Walk): void {
  const key = literalText(args[0])
  if (key === undefined || definition?.reads === undefined) return
  const path = `${definition.reads}.${definition.reads.endsWith('headers') ? normalHeaderName(key) : key}`
  found.reads.delete(definition.reads)
  found.reads.add(path)
  found.guards.add(path)
}

/** Names that are made at run time are looked up then. */
function noteSecret(node: Tree, args: readonly Tree[], { found }: Walk): void {
  const [vault, name] = args.map(literalText)
  if (vault !== undefined && name !== undefined) found.demands.push({ vault, name, start: node.start, end: node.end })
}

/** Variables whose values visitors and apps choose. None of them may become a regular expression. */
const FOREIGN = /^(?:req|res|last_attempt)(?:\.|$)|^conn\.tls\./

function takePattern(node: Tree, pattern: Tree | undefined, { found }: Walk): void {
  const written = literalText(pattern)
  if (!pattern || written === undefined) return
  const compiled = compilePattern(written)
  if ('problem' in compiled)
    throw new UnfitExpression(`${JSON.stringify(written.slice(0, 100))} ${compiled.problem}`, pattern)
  found.patterns.set(node, compiled)
}

/**
 * Checks a pattern that is made at run time.
 * @param reads the variables that its expression reads
 * @throws UnfitExpression
 */
export function checkMadePattern(pattern: Tree, reads: ReadonlySet<string>): void {
  const foreign = [...reads].find((path) => FOREIGN.test(path))
  if (foreign === undefined) return
  throw new UnfitExpression(
    `a regular expression cannot be made from ${foreign}, because visitors or apps choose it; write the pattern as a text, or use contains`,
    pattern,
  )
}

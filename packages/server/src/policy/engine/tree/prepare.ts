// The pass over the syntax tree between parsing and the type check: it checks names, phases and sizes, and translates our functions
// and variables to their names in the library.

import { normalHeaderName } from '../../../values/normal-header-name.ts'
import { isOwnName } from '../environment.ts'
import { UnfitExpression } from '../expression-problem.ts'
import { STEPS_MAX, TREE_DEPTH_MAX } from '../limits.ts'
import {
  MACROS,
  checkCall,
  checkMadePattern,
  checkMethod,
  checkNamespaced,
  refuseMacro,
  takeOver,
} from './check-functions.ts'
import { UNITS_OF_A_HEADER, checkName, checkPath } from './check-variables.ts'
import { mostItems } from './comprehension-size.ts'
import { selectsOf } from './selects.ts'
import {
  type CallArgs,
  type Check,
  type CheckContext,
  type Checker,
  type IndexArgs,
  type MapArgs,
  type MethodArgs,
  type SelectArgs,
  type Tree,
  type Type,
  childrenOf,
  literalText,
} from './tree.ts'
import type { Walk } from './walk.ts'

/**
 * @returns whether the node is a record, which cannot be indexed
 * @throws UnfitExpression
 */
export function prepare(node: Tree, outer: Walk): boolean {
  if (outer.depth >= TREE_DEPTH_MAX) {
    throw new UnfitExpression(`the expression is too deep; divide it into several expressions of the rule`, node)
  }
  const walk: Walk = { ...outer, depth: outer.depth + 1 }
  switch (node.op) {
    case 'id':
      return checkName(node, walk)
    case '.':
    case '[]':
      return prepareSelect(node, walk)
    case 'call':
      prepareCall(node, walk)
      return false
    case 'rcall':
      prepareMethod(node, walk)
      return false
    case 'in':
      noteGuard(node, walk)
      noteHeaderMap(node, (node.args as IndexArgs)[1], walk)
      break
    case '+':
      mendSum(node)
      break
    case 'value':
      checkBytes(node)
      break
    case 'list':
      giveTypeIfEmpty(node, 'list<dyn>', () => [])
      break
    case 'map':
      checkKeys(node)
      giveTypeIfEmpty(node, 'map<dyn, dyn>', () => ({}))
      break
    default:
  }
  for (const child of childrenOf(node)) prepare(child, walk)
  return false
}

function prepareSelect(node: Tree, walk: Walk): boolean {
  if (selectsOf(node).base.op === 'id') {
    const isRecord = checkPath(node, walk)
    noteIndex(node, walk) // with the current name, if it was an older one
    return isRecord
  }
  // The chain contains an index that is not a literal, or does not begin with a name.
  const [of, index] = node.args as IndexArgs
  const isRecord = prepare(of, walk)
  if (node.op === '.') return false
  noteIndex(node, walk)
  noteHeaderMap(node, of, walk)
  if (isRecord) throw new UnfitExpression('the name of a variable must be written out; it cannot be computed', index)
  prepare(index, walk)
  return false
}

function prepareCall(node: Tree, walk: Walk): void {
  const [name, args] = node.args as CallArgs
  if (name === 'has') return prepareHas(node, args, walk)
  checkCall(node, walk)
  const pattern = name === 'matches' ? args[1] : undefined
  for (const arg of args) {
    if (arg === pattern) preparePattern(arg, walk)
    else prepare(arg, walk)
  }
  takeOver(node, args, walk)
}

/** `has(a.b)`. `has(a['b'])`, which is in ngrok's docs but not in cel-go, becomes `'b' in a`. */
function prepareHas(node: Tree, [field]: readonly Tree[], walk: Walk): void {
  if (field?.op === '.') {
    const { base, selects } = selectsOf(field)
    if (base.op !== 'id') return prepareHasOfValue(node, field, walk)
    walk.found.guards.add([base.args, ...selects.map(({ name }) => name)].join('.'))
    prepare(field, walk)
    const units = walk.found.costs.get(field)
    if (units !== undefined) walk.found.costs.set(node, units)
    return
  }
  const [of, index] = (field?.op === '[]' ? field.args : []) as Partial<IndexArgs>
  if (!of || !index || literalText(index) === undefined) {
    throw new UnfitExpression('has takes a field, such as has(req.content_length), or a key of a map', field ?? node)
  }
  if (prepare(of, walk)) throw new UnfitExpression('write the field with a dot here: has(req.content_length)', index)
  const contained = node.clone(walk.language.inOperator, [index, of])
  noteGuard(contained, walk)
  noteHeaderMap(contained, of, walk)
  node.setMeta('alternate', contained)
}

/** `has(json.decode(x).a)`: the library takes only chains that begin with a name, so this becomes `'a' in json.decode(x)`. */
function prepareHasOfValue(node: Tree, field: Tree, walk: Walk): void {
  const [of, name] = field.args as SelectArgs
  prepare(of, walk)
  const key = field.clone(walk.language.valueOperator, name)
  node.setMeta('alternate', field.clone(walk.language.inOperator, [key, of]))
}

function prepareMethod(node: Tree, walk: Walk): void {
  const [name, receiver, args] = node.args as MethodArgs
  if (
    receiver.op === 'id' &&
    !walk.names.has(String(receiver.args)) &&
    walk.language.namespaces.has(String(receiver.args))
  ) {
    checkNamespaced(node, walk)
    for (const arg of args) prepare(arg, walk)
    return takeOver(node, args, walk)
  }
  if (MACROS.includes(name)) return prepareComprehension(node, walk)
  prepare(receiver, walk)
  checkMethod(node, walk)
  for (const arg of args) {
    if (name === 'matches') preparePattern(arg, walk)
    else prepare(arg, walk)
  }
  takeOver(node, args, walk)
}

function prepareComprehension(node: Tree, walk: Walk): void {
  const [, receiver, [item, ...bodies]] = node.args as MethodArgs
  if ((!node.meta.alternate && node.meta.macro === undefined) || item?.op !== 'id') return refuseMacro(node)
  refuseOwnName(item)
  const steps = walk.steps * Math.max(mostItems(receiver), 1)
  const reads = readsOf(receiver, walk)
  if (steps > STEPS_MAX) {
    throw new UnfitExpression(
      `this may take ${steps} steps, and at most ${STEPS_MAX} are allowed; iterate over something shorter`,
      node,
    )
  }
  const inner: Walk = { ...walk, steps, names: new Map([...walk.names, [String(item.args), reads]]) }
  for (const body of bodies) prepare(body, inner)
}

/** An expression must not declare a name that the engine uses itself. */
function refuseOwnName(item: Tree): void {
  if (isOwnName(String(item.args))) throw new UnfitExpression('this name is reserved; choose another one', item)
}

/** The variables that the pattern itself reads decide whether it is allowed. */
function preparePattern(pattern: Tree, walk: Walk): void {
  if (literalText(pattern) === undefined) checkMadePattern(pattern, readsOf(pattern, walk))
}

/** Prepares a node and returns the variables that it reads, directly or by the names that comprehensions declare. */
function readsOf(node: Tree, walk: Walk): ReadonlySet<string> {
  const names = namesIn(node)
  const reads = new Set<string>()
  prepare(node, { ...walk, found: { ...walk.found, reads } })
  for (const path of reads) walk.found.reads.add(path)
  return new Set([...reads, ...names.flatMap((name) => [...(walk.names.get(name) ?? [])])])
}

function namesIn(node: Tree): string[] {
  return node.op === 'id' ? [String(node.args)] : childrenOf(node).flatMap(namesIn)
}

/** Notes `req.headers['x']`, which fails for visitors who do not send the header unless the expression checks for it. */
function noteIndex(node: Tree, { found }: Walk): void {
  const keyed = keyOf(node)
  if (keyed !== undefined) found.unguarded.push({ key: keyed, start: node.start, end: node.end })
}

function keyOf(node: Tree): string | undefined {
  const [of, key] = node.args as SelectArgs | IndexArgs
  const name = typeof key === 'string' ? key : literalText(key)
  if (name === undefined) return undefined
  const { base, selects } = selectsOf(of)
  // A select below a text with fields may have been renamed already.
  const path = base.op === 'id' ? [base.args, ...selects.map((select) => select.name.replace('$', ''))].join('.') : ''
  if (OPTIONAL.has(`${path}.${name}`)) return `${path}.${name}`
  return MAPS.has(path) ? `${path}.${path.endsWith('headers') ? normalHeaderName(name) : name}` : undefined
}

/** `req.headers[x]` and `x in req.headers`. */
function noteHeaderMap(node: Tree, map: Tree, { found }: Walk): void {
  const { base, selects } = selectsOf(map)
  const name = base.op === 'id' ? selects.at(-1)?.name : undefined
  if (name === 'headers' || name === 'trailers') found.costs.set(node, UNITS_OF_A_HEADER)
}

function noteGuard(node: Tree, { found }: Walk): void {
  const [key, of] = node.args as [Tree, Tree] // of `in`
  const name = literalText(key)
  if (name === undefined) return
  const { base, selects } = selectsOf(of)
  // A select below a text with fields may have been renamed already.
  const path = [base.args, ...selects.map((select) => select.name.replace('$', ''))].join('.')
  found.guards.add(`${path}.${path.endsWith('headers') ? normalHeaderName(name) : name}`)
}

/** The library gives an empty literal a type without items, by which functions would be called with values of any type. */
function giveTypeIfEmpty(node: Tree, type: string, make: () => unknown): void {
  if ((node.args as readonly unknown[]).length > 0) return
  node.setMeta('check', (checker: Checker) => checker.getType(type))
  node.setMeta('evaluate', make)
}

/**
 * Corrects two types: the library says that a list of ints plus a list of anything is a list of ints, and that a
 * duration plus a time is a duration.
 */
function mendSum(node: Tree): void {
  const check = node.meta.check as Check
  node.setMeta('check', (checker: Checker, sum: Tree, context: CheckContext): Type => {
    const type = check(checker, sum, context)
    const [left, right] = [sum.left?.checkedType, sum.right?.checkedType]
    if (left?.name === DURATION && right?.name === TIMESTAMP) return right
    return type.kind === 'list' && (left?.hasDynType || right?.hasDynType) ? checker.getType('list<dyn>') : type
  })
}

/** The library keeps one byte of each character; CEL wants the bytes of its UTF-8. */
function checkBytes(node: Tree): void {
  const isAscii = !/[^\t\n\r -~]/.test(node.input.slice(node.start, node.end))
  if (!(node.args instanceof Uint8Array) || isAscii) return
  throw new UnfitExpression("a literal of bytes takes ASCII and escapes; for other characters write bytes('…')", node)
}

const DURATION = 'google.protobuf.Duration'
const TIMESTAMP = 'google.protobuf.Timestamp'

/** Refuses keys that the library would silently drop. */
function checkKeys(node: Tree): void {
  for (const [key] of node.args as MapArgs) {
    const name = literalText(key)
    if (name === '__proto__' || name === 'constructor' || name === 'prototype') {
      throw new UnfitExpression(`${name} cannot be a key`, key)
    }
  }
}

/** Fields that visitors and apps often leave out. */
const OPTIONAL = new Set(['req.content_length', 'res.content_length'])
const MAPS = new Set(['req.headers', 'req.cookies', 'req.url.query_params', 'res.headers', 'res.cookies'])

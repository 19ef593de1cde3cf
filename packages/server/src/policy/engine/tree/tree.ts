// Types of the library's syntax tree, as far as we use it. The tree is not part of the library's public interface: package.json pins
// one version, and tree.test.ts tests the parts that we rely on. Pure.

import type { ExpressionView } from '../expression-view.ts'

export interface Tree {
  readonly op: string
  /** By `op`: see the types below. */
  args: unknown
  readonly start: number
  readonly end: number
  /** The whole expression. */
  readonly input: string
  /** How the node is checked and evaluated. A macro is either expanded into `alternate`, or does both by itself. */
  readonly meta: Meta
  setMeta(key: keyof Meta, value: unknown): Tree
  clone(op: Operator, args: unknown): Tree
  /** Set by the type check. */
  readonly checkedType?: Type
  /** The operands of a binary operator, and the function for their values. Set by the type check. */
  readonly left?: Tree
  readonly right?: Tree
  readonly handle?: (left: unknown, right: unknown, node: Tree, evaluator: Evaluator) => unknown
  /** Inherited until the first evaluation, and then replaced by an own property. */
  evaluate: Evaluate
}

export interface Meta {
  readonly check: unknown
  readonly evaluate: Evaluate
  readonly alternate?: Tree
  readonly macro?: { evaluate(evaluator: Evaluator, macro: unknown, context: Context): unknown }
}

export interface Operator {
  readonly name: string
  readonly check: unknown
  readonly evaluate: Evaluate
}

export type Evaluate = (evaluator: Evaluator, node: Tree, context: Context) => unknown

export type Check = (checker: Checker, node: Tree, context: CheckContext) => Type

export interface Evaluator {
  run(node: Tree, context: Context): unknown
}

export interface Context {
  /** The value of a variable, or of another property of the view. */
  getValue(name: string): unknown
}

export interface Checker {
  check(node: Tree, context: CheckContext): Type
  getType(name: string): Type
  readonly registry: { getListType(type: Type): Type }
}

export interface Type {
  readonly name: string
  readonly kind: string
  readonly valueType?: Type
  readonly keyType?: Type
  /** Whether it is, or contains, `dyn`. */
  readonly hasDynType: boolean
}

export interface CheckContext {
  forkWithVariable(name: string, type: Type): LoopContext
}

export interface LoopContext extends CheckContext, Context {
  iterValue: unknown
  accuValue?: unknown
  reuse(parent: Context | undefined): LoopContext
  setIterValue(value: unknown, evaluator: Evaluator): LoopContext
}

/** `a.b` */
export type SelectArgs = [of: Tree, name: string]
/** `a[b]` */
export type IndexArgs = [of: Tree, index: Tree]
/** `f(a)` */
export type CallArgs = [name: string, args: Tree[]]
/** `a.f(b)` */
export type MethodArgs = [name: string, receiver: Tree, args: Tree[]]
/** `{a: b}` */
export type MapArgs = [key: Tree, value: Tree][]

/** The arguments of an expanded comprehension. */
export interface ComprehensionArgs {
  readonly step: Tree
  /** Set by the type check, and reused for every evaluation. */
  readonly iterCtx?: LoopContext
}

/** The operator of a node, for making further nodes. */
export function operatorOf(node: Tree): Operator {
  return { name: node.op, check: node.meta.check, evaluate: node.meta.evaluate }
}

/** The children of a node as the author wrote them, not expanded. */
export function childrenOf(node: Tree): readonly Tree[] {
  switch (node.op) {
    case 'value':
    case 'id':
      return []
    case '.':
      return [(node.args as SelectArgs)[0]] // by its op, here and below
    case 'call':
      return (node.args as CallArgs)[1]
    case 'rcall': {
      const [, receiver, args] = node.args as MethodArgs
      return [receiver, ...args]
    }
    case 'map':
      return (node.args as MapArgs).flat()
    case '!_':
    case '-_':
      return [node.args as Tree]
    default:
      return node.args as Tree[]
  }
}

/**
 * The largest number of nodes that one evaluation of a node visits, without those that a comprehension below it
 * repeats.
 */
export function countNodes(node: Tree): number {
  const isLoop = node.meta.alternate?.op === 'comprehension'
  const children = isLoop ? [(node.args as MethodArgs)[1]] : childrenOf(node)
  return children.reduce((sum, child) => sum + countNodes(child), 1)
}

/** The text of a literal; undefined for anything else. */
export function literalText(node: Tree | undefined): string | undefined {
  return node?.op === 'value' && typeof node.args === 'string' ? node.args : undefined
}

/** The view of the current evaluation. */
export function viewOf(context: Context, name: string): ExpressionView {
  return context.getValue(name) as ExpressionView // what compile-expression.ts hands in under this name
}

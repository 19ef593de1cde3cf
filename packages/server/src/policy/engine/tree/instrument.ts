// The pass over the syntax tree after the type check: it replaces the evaluation of nodes whose cost or result has to be limited.
// All other nodes stay as fast as the library has made them.

import { ValueError } from '../expression-error.ts'
import { VIEW_NAME } from '../expression-view.ts'
import { UNITS_MAX, UNITS_OF_AN_ERROR } from '../limits.ts'
import type { Pattern } from '../patterns.ts'
import { Duration, durationInRange, durationOf, timeInRange, weightOf } from '../values.ts'
import {
  type ComprehensionArgs,
  type CallArgs,
  type Evaluate,
  type LoopContext,
  type MethodArgs,
  type Tree,
  childrenOf,
  countNodes,
  viewOf,
} from './tree.ts'
import type { Found } from './walk.ts'

/** The cost of finding a function and passing its arguments. The function counts its own work. */
const UNITS_OF_A_CALL = 5
const INT_MAX = 2n ** 63n - 1n
const INT_MIN = -(2n ** 63n)

/** The findings about nodes whose evaluation has a cost of its own. */
type Costly = Pick<Found, 'patterns' | 'costs'>

/**
 * @param found the patterns of `matches` and the costs of variables, by their nodes
 * @param loops the contexts of comprehensions are added here, for `release()`
 * @param isRepeated whether a comprehension is around the node
 */
export function instrument(node: Tree, found: Costly, loops: LoopContext[], isRepeated = false): void {
  const { alternate, macro } = node.meta
  const pattern = found.patterns.get(node)
  const isLoop = alternate?.op === 'comprehension'
  if (isLoop) {
    const { step, iterCtx } = alternate.args as ComprehensionArgs
    const [, , [, ...bodies]] = node.args as MethodArgs
    countSteps(
      step,
      bodies.reduce((sum, body) => sum + countNodes(body), 0),
    )
    if (iterCtx) loops.push(iterCtx)
  } else if (alternate) instrumentOperator(alternate, isRepeated)
  else if (pattern) matchWith(node, pattern)
  else instrumentOperator(node, isRepeated)
  const evaluated = isLoop ? node : (alternate ?? node)
  const units = found.costs.get(evaluated) ?? (isCall(evaluated) ? UNITS_OF_A_CALL : undefined)
  if (isRepeated && units !== undefined) charge(evaluated, units)
  for (const child of childrenOf(node)) {
    const isReceiver = isLoop && child === (node.args as MethodArgs)[1]
    instrument(child, found, loops, isRepeated || ((isLoop || macro !== undefined) && !isReceiver))
  }
}

/** Drops the references to the last exchange, which comprehensions would keep until their next evaluation. */
export function release(loops: readonly LoopContext[]): void {
  for (const loop of loops) {
    loop.reuse(undefined)
    loop.iterValue = undefined
    loop.accuValue = undefined
  }
}

function instrumentOperator(node: Tree, isRepeated: boolean): void {
  switch (node.op) {
    case '+':
      if (isOneOf(node, ['int', 'uint', 'double'])) return
      node.evaluate = measureSum
      return
    case '==':
    case '!=':
      if (isRepeated || !isShort(node.left) || !isShort(node.right)) node.evaluate = weighOperands
      return
    case 'in':
      // Looking up a key in a map is cheap, and a literal list is bounded by the length of the expression.
      if (isRepeated || !isShort(node.left) || !isCheapToSearch(node.right)) node.evaluate = weighOperands
      return
    case '-':
      if (!isOneOf(node, ['int', 'uint', 'double'])) node.evaluate = subtract
      return
    case '/':
    case '-_':
      if (!isOneOf(node, ['double', 'uint'])) node.evaluate = keepInRange(node.meta.evaluate)
      return
    default:
  }
}

function isCall({ op, meta }: Tree): boolean {
  return (op === 'call' || op === 'rcall') && !meta.alternate && !meta.macro
}

/** Makes a node spend units of the budget before it is evaluated. */
function charge(node: Tree, units: number): void {
  const { macro } = node.meta
  const evaluate = Object.hasOwn(node, 'evaluate') ? node.evaluate : node.meta.evaluate
  node.evaluate = (evaluator, self, context) => {
    viewOf(context, VIEW_NAME).budget.spend(units)
    return macro ? macro.evaluate(evaluator, macro, context) : evaluate(evaluator, self, context)
  }
}

/** `exists` absorbs an error of a step and continues, so the error has to cost units too. */
function countSteps(step: Tree, nodes: number): void {
  const { evaluate } = step.meta
  const units = 1 + (nodes >> 2)
  step.evaluate = (evaluator, node, context) => {
    const { budget } = viewOf(context, VIEW_NAME)
    budget.spend(units)
    try {
      return evaluate(evaluator, node, context)
    } catch (error) {
      budget.spend(UNITS_OF_AN_ERROR)
      throw error
    }
  }
}

const measureSum: Evaluate = (evaluator, node, context) => {
  const { left, right, handle } = node
  if (!left || !right || !handle) throw new ValueError('the expression was not checked')
  const [a, b] = [evaluator.run(left, context), evaluator.run(right, context)]
  // The library takes only lists of one type; in CEL, lists of any types can be joined.
  const sum: unknown = Array.isArray(a) && Array.isArray(b) ? [...a, ...b] : handle(a, b, node, evaluator)
  if (sum instanceof Date) return timeInRange(sum)
  if (sum instanceof Duration) return durationInRange(sum)
  if (typeof sum === 'string') viewOf(context, VIEW_NAME).budget.text(sum)
  else if (Array.isArray(sum)) viewOf(context, VIEW_NAME).budget.list(sum)
  else if (sum instanceof Uint8Array) viewOf(context, VIEW_NAME).budget.allowText(sum.length)
  return sum
}

const subtract: Evaluate = (evaluator, node, context) => {
  const { left, right, handle } = node
  if (!left || !right || !handle) throw new ValueError('the expression was not checked')
  const [a, b] = [evaluator.run(left, context), evaluator.run(right, context)]
  // The library goes through a number of nanoseconds that has too many digits for a double.
  if (a instanceof Date && b instanceof Date) return durationInRange(durationOf(a.getTime() - b.getTime()))
  const difference = handle(a, b, node, evaluator)
  if (difference instanceof Date) return timeInRange(difference)
  return difference instanceof Duration ? durationInRange(difference) : difference
}

const weighOperands: Evaluate = (evaluator, node, context) => {
  const { left, right, handle } = node
  if (!left || !right || !handle) throw new ValueError('the expression was not checked')
  const [a, b] = [evaluator.run(left, context), evaluator.run(right, context)]
  const { budget } = viewOf(context, VIEW_NAME)
  const isLookup = node.op === 'in' && right.checkedType?.kind === 'map'
  budget.spend(weightOf(a, UNITS_MAX) + (isLookup ? 1 : weightOf(b, UNITS_MAX)))
  return handle(a, b, node, evaluator)
}

/** cel-spec, "Overflow": the smallest int has no positive counterpart. */
function keepInRange(evaluate: Evaluate): Evaluate {
  return (evaluator, node, context) => {
    const result = evaluate(evaluator, node, context)
    if (typeof result !== 'bigint' || (result <= INT_MAX && result >= INT_MIN)) return result
    throw new ValueError('the number is out of range')
  }
}

function matchWith(node: Tree, pattern: Pattern): void {
  const isCall = node.op === 'call'
  const text = isCall ? (node.args as CallArgs)[1][1] : (node.args as MethodArgs)[1]
  if (!text) return
  node.evaluate = (evaluator, _, context) => {
    const value = evaluator.run(text, context)
    if (typeof value !== 'string') throw new ValueError('matches: the value is not a text')
    return pattern.isIn(value, viewOf(context, VIEW_NAME).budget)
  }
}

function isOneOf(node: Tree, types: readonly string[]): boolean {
  return types.includes(node.checkedType?.name ?? '')
}

function isCheapToSearch(node: Tree | undefined): boolean {
  if (node?.checkedType?.kind === 'map') return true
  return node?.op === 'list' && (node.args as readonly Tree[]).every(({ op }) => op === 'value')
}

/** Whether comparing its value is cheap. */
function isShort(node: Tree | undefined): boolean {
  return /^(?:string|int|uint|double|bool|null|type|google\.protobuf\.\w+)$/.test(node?.checkedType?.name ?? '')
}

// `list.sortBy(x, key)`: sorts by the value of an expression for each item. cel-go ext/lists. It is a macro because `x` is a name.

import { LIST_MAX } from '../limits.ts'
import { ValueError } from '../expression-error.ts'
import { compareValues } from '../functions/compare.ts'
import type { CheckContext, Checker, Context, Evaluator, LoopContext, Tree, Type } from './tree.ts'
import { countNodes, viewOf } from './tree.ts'

export interface SortByMacro {
  readonly key: Tree
  loop: LoopContext | undefined
  readonly async: false
  typeCheck(checker: Checker, macro: SortByMacro, context: CheckContext): Type
  evaluate(evaluator: Evaluator, macro: SortByMacro, context: Context): unknown
}

const UNITS_OF_AN_ITEM = 30

/** The library calls this when it has parsed one. */
export function sortBy(viewName: string): (call: { args: Tree[]; receiver: Tree }) => SortByMacro {
  return ({ args: [item, key], receiver }) => {
    if (!item || !key || item.op !== 'id') throw new ValueError('sortBy: the first argument must be a name')
    return {
      key,
      loop: undefined,
      async: false,
      typeCheck(checker, macro, context) {
        const list = checker.check(receiver, context)
        const itemType = list.kind === 'list' && list.valueType ? list.valueType : checker.getType('dyn')
        macro.loop = context.forkWithVariable(String(item.args), itemType)
        checker.check(key, macro.loop)
        return checker.registry.getListType(itemType)
      },
      evaluate(evaluator, macro, context) {
        const list = evaluator.run(receiver, context)
        if (!Array.isArray(list) || !macro.loop) throw new ValueError('sortBy: is no list')
        const { budget } = viewOf(context, viewName)
        const units = UNITS_OF_AN_ITEM + (countNodes(key) >> 2)
        if (list.length > LIST_MAX) budget.allowList(list.length)
        const loop = macro.loop.reuse(context)
        try {
          const keyed = list.map((value: unknown) => {
            budget.spend(units)
            return { value, key: evaluator.run(key, loop.setIterValue(value, evaluator)) }
          })
          return keyed.toSorted((a, b) => compareValues(a.key, b.key)).map(({ value }) => value)
        } finally {
          loop.reuse(undefined).iterValue = undefined // so that the exchange does not stay in memory
        }
      },
    }
  }
}

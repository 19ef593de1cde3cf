// Functions of lists and maps. cel-go ext/lists; ngrok docs: "Macros Reference", Lists, Maps. `sortBy` is a macro of its own:
// tree/sort-by.ts.

import { ValueError } from '../expression-error.ts'
import type { ExpressionView } from '../expression-view.ts'
import { entriesOf, weightOf } from '../values.ts'
import { codePointCount } from './code-points.ts'
import { compareValues, keyOfValue } from './compare.ts'
import { type FunctionDefinition, define } from './define-function.ts'

type List = readonly unknown[]

export const LIST_FUNCTIONS: readonly FunctionDefinition[] = [
  ...['string', 'bytes', 'list', 'map'].flatMap((type) => [
    define(`size(${type}): int`, 'the number of characters, bytes, items or keys', sizeOf),
    define(`${type}.size(): int`, 'the number of characters, bytes, items or keys', sizeOf),
  ]),
  define('list<string>.join(): string', 'all texts, one after the other', join),
  define('list<string>.join(string): string', 'all texts, with a separator between them', join),
  define('list<T>.slice(int, int): list<T>', 'the part from one index up to, but without, another', slice),
  define('list.flatten(): list<dyn>', 'the items of the lists in it: one level of nesting fewer', flatten),
  define('list.flatten(int): list<dyn>', 'the same, for this many levels', flatten),
  define('list<T>.sort(): list<T>', 'takes numbers, texts, bools, bytes, times or durations', sort),
  define('list<T>.distinct(): list<T>', 'each value once, in the order of first occurrence', distinct),
  define('lists.range(int): list<int>', 'the numbers from 0 to below n', range),
]

function sizeOf({ budget }: ExpressionView, value: string | Uint8Array | List | object): bigint {
  if (typeof value === 'string') {
    budget.spendText(value.length)
    return BigInt(codePointCount(value))
  }
  if (value instanceof Uint8Array || Array.isArray(value)) return BigInt(value.length)
  if (value instanceof Map) return BigInt(value.size)
  return BigInt([...(entriesOf(value) ?? [])].length)
}

function join({ budget }: ExpressionView, list: readonly unknown[], separator = ''): string {
  let chars = separator.length * Math.max(list.length - 1, 0)
  for (const item of list) {
    if (typeof item !== 'string') throw new ValueError('join: the list contains a value that is not a text')
    chars += item.length
  }
  budget.allowText(chars)
  return budget.text(list.join(separator))
}

function slice({ budget }: ExpressionView, list: List, from: bigint, to: bigint): unknown[] {
  if (from < 0n || to > BigInt(list.length) || from > to) {
    throw new ValueError(`slice: a list of ${list.length} has no part from ${from} to ${to}`)
  }
  return budget.list(list.slice(Number(from), Number(to)))
}

function flatten({ budget }: ExpressionView, list: List, depth = 1n): unknown[] {
  if (depth < 0n) throw new ValueError('flatten: the depth is negative')
  const flat: unknown[] = []
  const add = (items: List, left: bigint): void => {
    for (const item of items) {
      if (Array.isArray(item) && left > 0n) add(item, left - 1n)
      else {
        flat.push(item)
        if (flat.length % 1024 === 0) budget.allowList(flat.length)
      }
    }
  }
  add(list, depth > DEPTH_MAX ? DEPTH_MAX : depth)
  return budget.list(flat)
}

function sort({ budget }: ExpressionView, list: List): unknown[] {
  budget.spend(list.length * SORT_UNITS + weightOf(list, WEIGHT_MAX))
  return list.toSorted(compareValues)
}

function distinct({ budget }: ExpressionView, list: List): unknown[] {
  budget.spend(weightOf(list, WEIGHT_MAX) * 4)
  const found = new Map<string, unknown>()
  for (const item of list) {
    const key = keyOfValue(item)
    if (!found.has(key)) found.set(key, item)
  }
  return budget.list([...found.values()])
}

function range({ budget }: ExpressionView, count: bigint): bigint[] {
  if (count < 0n) throw new ValueError('lists.range: the number is negative')
  budget.allowList(count > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(count))
  return Array.from({ length: Number(count) }, (_, index) => BigInt(index))
}

const DEPTH_MAX = 64n
const SORT_UNITS = 30 // for each item: a dozen comparisons
const WEIGHT_MAX = 4_000_000

// The largest number of items that a comprehension can iterate over. Section 14.9 of the reference: 200 for headers, 1000 for the
// query, the length of a literal, 10 000 for everything else. Pure.

import { HEADERS_MAX, LIST_MAX, PAIRS_MAX } from '../limits.ts'
import { type CallArgs, type IndexArgs, type MethodArgs, type SelectArgs, type Tree, literalText } from './tree.ts'

const OF_FUNCTIONS: Readonly<Record<string, number>> = {
  getReqHeader: HEADERS_MAX,
  getResHeader: HEADERS_MAX,
  getQueryParam: PAIRS_MAX,
}
const OF_FIELDS: Readonly<Record<string, number>> = {
  headers: HEADERS_MAX,
  trailers: HEADERS_MAX,
  content_encoding: HEADERS_MAX,
  query_params: PAIRS_MAX,
  cookies: PAIRS_MAX,
}
/** Methods whose result is not longer than their receiver. */
const NO_LONGER = new Set(['map', 'filter', 'sort', 'sortBy', 'distinct', 'slice'])

/** @param node a node in which nothing has been renamed yet */
export function mostItems(node: Tree): number {
  switch (node.op) {
    case 'list':
    case 'map':
      return (node.args as readonly unknown[]).length
    case 'call':
      return OF_FUNCTIONS[(node.args as CallArgs)[0]] ?? LIST_MAX
    case 'rcall':
      return mostOfMethod(node.args as MethodArgs)
    case '.':
      return OF_FIELDS[(node.args as SelectArgs)[1]] ?? mostOfValues((node.args as SelectArgs)[0])
    case '[]': {
      const [of, index] = node.args as IndexArgs
      return OF_FIELDS[literalText(index) ?? ''] ?? mostOfValues(of)
    }
    default:
      return LIST_MAX
  }
}

/** The size of one entry of a map of lists. An entry cannot have more values than the message has lines. */
function mostOfValues(of: Tree): number {
  const name = of.op === '.' ? (of.args as SelectArgs)[1] : ''
  return OF_FIELDS[name] ?? LIST_MAX
}

function mostOfMethod([name, receiver, args]: MethodArgs): number {
  if (NO_LONGER.has(name)) return mostItems(receiver)
  const [count] = args
  const isRange = name === 'range' && count?.op === 'value' && typeof count.args === 'bigint'
  return isRange ? Number(count.args) : LIST_MAX
}

// Chains of selects: `req.url.path`, also written `req['url'].path`. Pure.

import { type IndexArgs, type SelectArgs, type Tree, literalText } from './tree.ts'

/** `.name` or `['name']` */
export interface Select {
  readonly node: Tree
  readonly name: string
}

/** The selects of a chain from the inside out, and the node before the first one. */
export function selectsOf(node: Tree): { base: Tree; selects: Select[] } {
  const selects: Select[] = []
  let base = node
  for (;;) {
    const select = selectOf(base)
    if (!select) return { base, selects: selects.reverse() }
    selects.push({ node: base, name: select.name })
    base = select.of
  }
}

function selectOf(node: Tree): { of: Tree; name: string } | undefined {
  if (node.op === '.') {
    const [of, name] = node.args as SelectArgs
    return { of, name }
  }
  if (node.op !== '[]') return undefined
  const [of, index] = node.args as IndexArgs
  const name = literalText(index)
  return name === undefined ? undefined : { of, name }
}

// Reads keys of a value before its form is known. Pure: no I/O, no clock.

import type { FoundProblem } from '@sallyport/protocol/found-problem'

/** @returns the value of an own key; undefined without such a key, and for inherited ones such as `constructor` */
export function child(tree: unknown, key: PropertyKey): unknown {
  if (typeof tree !== 'object' || tree === null || !Object.hasOwn(tree, key)) return undefined
  return (tree as Record<PropertyKey, unknown>)[key] // it has this key, as just checked
}

/** A copy without the keys at the paths of some problems. */
export function withoutKeys(tree: unknown, unknownKeys: readonly FoundProblem[]): unknown {
  if (unknownKeys.length === 0) return tree
  const copy: unknown = structuredClone(tree)
  for (const { path } of unknownKeys) {
    const parent = path.slice(0, -1).reduce<unknown>(child, copy)
    if (typeof parent === 'object' && parent !== null) Reflect.deleteProperty(parent, path.at(-1) ?? '')
  }
  return copy
}

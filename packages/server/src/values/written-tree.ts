// Reads keys of a value before its form is known. Pure: no I/O, no clock.

import type { FoundProblem } from '@sallyport/protocol/found-problem'

/** @returns the value of an own key; undefined without such a key, and for inherited ones such as `constructor` */
export function child(tree: unknown, key: PropertyKey): unknown {
  if (typeof tree !== 'object' || tree === null || !Object.hasOwn(tree, key)) return undefined
  return (tree as Record<PropertyKey, unknown>)[key] // it has this key, as just checked
}

/** Whether a value has keys: an object, and no list. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * Copies a tree without the keys at the paths of some problems. Only what is on these paths is copied: agents can nest the
 * rest deeper than any copy of all of it can go.
 */
export function withoutKeys(tree: unknown, unknownKeys: readonly FoundProblem[]): unknown {
  if (unknownKeys.length === 0 || !isContainer(tree)) return tree
  const root = shallowCopy(tree)
  const copies = new Set<object>([root])
  for (const { path } of unknownKeys) {
    let parent: object | undefined = root
    for (const step of path.slice(0, -1)) {
      const next = child(parent, step)
      if (!isContainer(next)) {
        parent = undefined
        break
      }
      const copy = copies.has(next) ? next : shallowCopy(next)
      copies.add(copy)
      // Defined, not assigned, so that not even `__proto__` reaches a prototype.
      Reflect.defineProperty(parent, step, { value: copy, writable: true, enumerable: true, configurable: true })
      parent = copy
    }
    if (parent) Reflect.deleteProperty(parent, path.at(-1) ?? '')
  }
  return root
}

/** The same list or block if no item changes; otherwise a copy. */
export function changed(container: unknown, change: (item: unknown, key: string | number) => unknown): unknown {
  if (Array.isArray(container)) {
    const items = container.map((item: unknown, index) => change(item, index))
    return items.some((item, index) => item !== container[index]) ? items : container
  }
  if (!isContainer(container)) return container
  const entries = Object.entries(container).map(([key, value]) => [key, change(value, key), value] as const)
  return entries.some(([, now, before]) => now !== before)
    ? Object.fromEntries(entries.map(([key, now]) => [key, now])) // defines keys, `__proto__` as well
    : container
}

function isContainer(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

function shallowCopy(value: object): object {
  return Array.isArray(value) ? [...(value as unknown[])] : { ...value }
}

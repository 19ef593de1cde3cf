// Which texts of a configuration may contain `${…}`: those that its kind lists. Pure: no I/O, no clock.

import type { ConfigPath } from '@sallyport/protocol/found-problem'

import { child } from '../values/written-tree.ts'
import { currentType, kindOf } from './kind.ts'
import type { Kind, KindTable } from './kind.ts'

/** Whether a text of a policy is the same for everybody: it has no `${…}`. */
export function isConstant(source: string): boolean {
  return !source.includes('${')
}

export interface TemplateInPlace {
  readonly source: string
  /** From `config` to the text. */
  readonly path: ConfigPath
}

/** The texts in `config` that do contain a placeholder. */
export function* templatesOf({ templates = [] }: Kind, config: unknown): Generator<TemplateInPlace> {
  for (const key of templates) {
    for (const { source, path } of textsIn(child(config, key), [key])) if (!isConstant(source)) yield { path, source }
  }
}

/** All texts in a value, in order, without the keys of maps. */
export function* textsIn(value: unknown, path: ConfigPath): Generator<TemplateInPlace> {
  const open: { value: unknown; path: ConfigPath }[] = [{ value, path }]
  for (let next = open.pop(); next; next = open.pop()) {
    const { value: one, path: place } = next
    if (typeof one === 'string') yield { source: one, path: place }
    if (typeof one !== 'object' || one === null) continue
    const entries = Array.isArray(one) ? [...one.entries()] : Object.entries(one)
    for (const [key, item] of entries.toReversed()) open.push({ value: item, path: [...place, key] })
  }
}

/**
 * Whether the text at a path of relay.yml is one of these texts. In such a text, `${NAME}` in capitals is the
 * environment, and every other placeholder is CEL.
 */
export function isTemplateAt(tree: unknown, path: ConfigPath, kinds: KindTable): boolean {
  return path.some((step, place) => {
    if (step !== 'config' || path[place - 2] !== 'actions') return false
    const written = child(path.slice(0, place).reduce<unknown>(child, tree), 'type')
    const type = typeof written === 'string' ? currentType(kinds, written) : undefined
    const { templates = [], olderKeys = {} } = (type !== undefined && kindOf(kinds, type)) || {}
    const key = String(path[place + 1])
    return templates.includes(key) || (Object.hasOwn(olderKeys, key) && templates.includes(olderKeys[key]!))
  })
}

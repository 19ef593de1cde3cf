// Which texts of a configuration may contain `${…}`: those that its kind lists. Pure: no I/O, no clock.

import type { ConfigPath } from '@sallyport/protocol/found-problem'

import { child } from '../values/written-tree.ts'
import { currentType, kindOf } from './kind.ts'
import { lateTextsIn, leadsTo } from './late-text.ts'
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

/** The texts in `config` that do contain a placeholder, and are made for each exchange. */
export function* templatesOf({ templates = [], prepared = [] }: Kind, config: unknown): Generator<TemplateInPlace> {
  for (const key of templates) {
    for (const { source, path } of textsIn(child(config, key), [key])) if (!isConstant(source)) yield { path, source }
  }
  for (const key of new Set(prepared.filter((each) => each.mayBeLate).map(({ at: [first = ''] }) => first))) {
    yield* lateTextsIn(child(config, key), [key])
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
 * @returns `checked` for a text that its schema checks
 */
export function isTemplateAt(tree: unknown, path: ConfigPath, kinds: KindTable): boolean | 'checked' {
  for (const [place, step] of path.entries()) {
    if (step !== 'config' || path[place - 2] !== 'actions') continue
    const written = child(path.slice(0, place).reduce<unknown>(child, tree), 'type')
    const type = typeof written === 'string' ? currentType(kinds, written) : undefined
    const { templates = [], prepared = [], olderKeys = {} } = (type !== undefined && kindOf(kinds, type)) || {}
    const key = String(path[place + 1])
    if (templates.includes(key) || (Object.hasOwn(olderKeys, key) && templates.includes(olderKeys[key]!))) return true
    if (prepared.some((each) => leadsTo(each, path.slice(place + 1)))) return 'checked'
  }
  return false
}

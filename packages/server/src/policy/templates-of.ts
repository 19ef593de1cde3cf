// Which texts of a configuration may contain `${…}`: those that its kind lists. Pure: no I/O, no clock.

import type { ConfigPath } from '@sallyport/protocol/found-problem'

import { child } from '../values/written-tree.ts'
import { kindOf } from './kind.ts'
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
    const value = child(config, key)
    const texts = typeof value === 'string' ? [[[key], value] as const] : textsOf(value, key)
    for (const [path, source] of texts) if (!isConstant(source)) yield { path, source }
  }
}

function textsOf(value: unknown, key: string): (readonly [ConfigPath, string])[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([name, text]) =>
    typeof text === 'string' ? [[[key, name], text] as const] : [],
  )
}

/** Whether the text at a path of relay.yml belongs to these. There `${NAME}` in capitals is the environment, and all else CEL. */
export function isTemplateAt(tree: unknown, path: ConfigPath, kinds: KindTable): boolean {
  const place = path.lastIndexOf('config')
  if (place < 2 || path[place - 2] !== 'actions') return false
  const type = child(path.slice(0, place).reduce<unknown>(child, tree), 'type')
  const { templates = [] } = (typeof type === 'string' && kindOf(kinds, type)) || {}
  return templates.includes(String(path[place + 1]))
}

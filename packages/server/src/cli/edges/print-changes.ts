// A change of an edge as lines for people, who review it before it is written, or read what was. Pure.

import { printable } from '@sallyport/protocol/printable'
import { formatPath } from '@sallyport/protocol/yaml-file'

import type { ChangeResult } from '../../operator/edge-desk.ts'

const VALUE_MAX_CHARS = 200

/** `+` is new, `-` is gone, `~` has changed. */
export function* changeLines({ id, action, changes, edge }: ChangeResult): Generator<string> {
  const version = edge ? ` (version ${edge.version})` : ''
  yield `${id}: ${WORDS[action]}${action === 'nothing' ? '' : version}`
  for (const { path, from, to } of changes) {
    if (action === 'delete') continue // all of it
    const place = printable(formatPath(path))
    if (from === undefined) yield `  + ${place}: ${shown(to)}`
    else if (to === undefined) yield `  - ${place}: ${shown(from)}`
    else yield `  ~ ${place}: ${shown(from)} → ${shown(to)}`
  }
}

const WORDS = { create: 'new', update: 'changed', delete: 'deleted', nothing: 'unchanged' } as const

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? ''
  return printable(text.length > VALUE_MAX_CHARS ? `${text.slice(0, VALUE_MAX_CHARS)}…` : text)
}

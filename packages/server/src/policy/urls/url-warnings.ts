// Warnings about `from` and `to` of `redirect` and `url-rewrite` that may not do what the operator intended. They are
// guesses from the text of the pattern: a warning may be missing or wrong, and no decision depends on it. Pure: no I/O,
// no clock.

import { Replacement } from './replacement.ts'

interface Written {
  readonly from?: string | undefined
  readonly to: string
}

/** Each warning is the rest of a sentence that begins with the name of an edge. */
export function* urlWarnings(type: 'redirect' | 'url-rewrite', { from, to }: Written): Iterable<string> {
  if (from !== undefined && /^\^\\?\//.test(from)) {
    yield `has a ${type} whose from, ${shown(from)}, never matches, because it is applied to the whole URL; write for example ^https?://[^/]+${from.slice(1)}`
  }
  if (from !== undefined && /\w\?\w+=/.test(from)) {
    yield `has a ${type} whose from, ${shown(from)}, has a ? that makes the character before it optional, instead of the ? of a query; write \\?`
  }
  if (/\$\{\d+\}/.test(to)) {
    yield `has a ${type} whose to, ${shown(to)}, has the number of a group in braces, which means just that number; write $1`
  }
  if (type !== 'redirect') return
  const isOpen =
    /^(?:https?:\/\/[^/?#$]*)?\$\{\D/i.test(to) ||
    new Replacement(to).groupsInHost.some((group) => from !== undefined && isBehindHost(from, group))
  if (isOpen) {
    yield `redirects to a host that visitors choose, by to: ${shown(to)}; links to it can lead people anywhere: write the host`
  }
}

/** Whether a group comes after the host in the pattern: then its text is chosen by the visitor. */
function isBehindHost(pattern: string, group: number | string): boolean {
  const before = pattern.slice(0, startOf(pattern, group)).replace(/:(?:\\?\/){2}/, '')
  return /[=/&]|\\\?|\[\^?[^\]]*\?/.test(before.replaceAll('[^/]', ''))
}

/** The place of the parenthesis that opens a group; 0 if there is none. */
function startOf(pattern: string, group: number | string): number {
  if (typeof group === 'string') return Math.max(pattern.search(new RegExp(`\\(\\?P?<${group}>`)), 0)
  let count = 0
  let isInClass = false
  for (let at = 0; at < pattern.length; at++) {
    const sign = pattern[at]
    if (sign === '\\') at++
    else if (isInClass) isInClass = sign !== ']'
    else if (sign === '[') isInClass = true
    else if (sign === '(' && /^\((?!\?)|^\(\?P?</.test(pattern.slice(at, at + 4)) && ++count === group) return at
  }
  return 0
}

const SHOWN_MAX_CHARS = 60

function shown(text: string): string {
  return text.length > SHOWN_MAX_CHARS ? `${text.slice(0, SHOWN_MAX_CHARS)}…` : text
}

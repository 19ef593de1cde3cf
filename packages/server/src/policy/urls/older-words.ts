// The words that `to` of redirect and url-rewrite had in 2024, after nginx: `$args`, `$is_args`, `$arg_name` and others. They become
// placeholders with the current variables. A word that is the name of a group of `from` is that group, as it always was.
// Pure: no I/O, no clock.

import type { OlderWord } from '../kind.ts'

const CURRENT: ReadonlyMap<string, string> = new Map([
  ['args', 'req.url.query'],
  ['query_string', 'req.url.query'],
  ['is_args', "req.url.query == '' ? '' : '?'"],
  ['uri', 'req.url.path'],
  ['authority', 'req.url.authority'],
  ['scheme', 'req.url.scheme'],
  ['host', 'req.url.host'],
  ['port', "has(req.url.port) ? string(req.url.port) : ''"],
])

/** `$$` is a `$`, and `${…}` is an expression already. */
const WORD = /\$(?:\$|\{[^}]*\}|([a-z]\w*))/g
const PARAMETER = /^arg_(\w+)$/

export function* olderWordsInTo({ from, to }: Readonly<Record<string, unknown>>): Iterable<OlderWord> {
  if (typeof to !== 'string') return
  const groups = typeof from === 'string' ? namesOfGroups(from) : new Set<string>()
  const words: string[] = []
  const current = to.replace(WORD, (whole, word: string | undefined) => {
    const expression = word === undefined || groups.has(word) ? undefined : currentOf(word)
    if (expression === undefined) return whole
    words.push(`${whole} is an older word; write \${${expression}}`)
    return `\${${expression}}`
  })
  for (const message of new Set(words)) yield { key: 'to', current, message }
}

function currentOf(word: string): string | undefined {
  const [, name] = PARAMETER.exec(word) ?? []
  if (name === undefined) return CURRENT.get(word)
  return `hasQueryParam('${name}') ? url.escape(getQueryParam('${name}')[0]) : ''`
}

function namesOfGroups(pattern: string): ReadonlySet<string> {
  return new Set(Array.from(pattern.matchAll(/\(\?P?<(\w+)>/g), ([, name = '']) => name))
}

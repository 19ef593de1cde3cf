// Hints for texts that are not CEL or have types that do not fit. A hint names the expression that the author probably
// means. Pure: no I/O, no clock.

const WORDS: ReadonlyMap<string, string> = new Map([
  ['and', 'write &&'],
  ['or', 'write ||'],
  ['not', 'write !'],
  ['&', 'write &&'],
  ['|', 'write ||'],
  ['=', 'write =='],
  [',', "a list is written in brackets: ['a', 'b']"],
  [';', 'an expression has no statements; write several expressions'],
  ['for', 'write list.map(x, …) or list.filter(x, …)'],
  ['if', 'write condition ? a : b'],
  ['then', 'write condition ? a : b'],
])

const OVERLOADS: readonly (readonly [RegExp, string])[] = [
  [/'list\.contains\(/, "a list has no contains; write 'x' in list, or list.exists(v, v.contains('x'))"],
  [
    /'list\.(?:startsWith|endsWith|matches|lower|upper|split|trim)\(/,
    'this is a list; take an item, or write list.exists(v, …)',
  ],
  [/'map\.contains\(/, "a map has no contains; write 'key' in map"],
  [/ in string$/, "a text is searched with text.contains('x')"],
  [/: int [=<>!]+ string|: string [=<>!]+ int/, 'a number is written without quotes'],
  [
    /: (?:int [=<>!]+ list|list<\w+> [=<>!]+ (?:int|string)|string [=<>!]+ list)/,
    'one side is a list; take an item with [0]',
  ],
]

/** A hint for a place that the parser does not understand; empty if there is none. */
export function syntaxHint(source: string, { start, end }: { start: number; end: number }): string {
  const hint = WORDS.get(source.slice(start, end)) ?? WORDS.get(wordBefore(source, start))
  return hint === undefined ? '' : `; ${hint}`
}

/** A hint for a message about types; empty if there is none. */
export function typeHint(message: string): string {
  const [, hint] = OVERLOADS.find(([pattern]) => pattern.test(message)) ?? []
  return hint === undefined ? '' : `; ${hint}`
}

/** `not true`: the parser stops after the word. */
function wordBefore(source: string, end: number): string {
  return /(\w+)\s*$/.exec(source.slice(Math.max(0, end - 20), end))?.[1] ?? ''
}

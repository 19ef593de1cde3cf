// Makes expressions of CEL, most of them of fitting types, over a few variables. Pure: the same random numbers, the same
// expression.

import type { Random } from '../support/random.ts'

/** Plain values of both implementations: bigint is an int, a number a double. */
export const VARIABLES = {
  count: 3n,
  big: 9_223_372_036_854_775_807n,
  ratio: 1.5,
  name: 'Ann Ümlaut',
  emoji: 'a😀b',
  empty: '',
  path: '/api/v1/users',
  flag: true,
  words: ['beta', 'alpha', 'alpha', ''],
  numbers: [3n, 1n, 2n],
  table: { one: 1n, two: 2n },
  roles: { admin: ['ann', 'bob'], guest: [] as string[] },
} as const

type Type = 'bool' | 'int' | 'double' | 'string' | 'words' | 'numbers'

interface Place {
  readonly random: Random
  readonly depth: number
  /** Names that comprehensions around it declare. */
  readonly names: readonly { readonly name: string; readonly type: Type }[]
}

export function makeExpression(random: Random): string {
  const type = random.pick(['bool', 'bool', 'bool', 'int', 'string', 'words', 'numbers', 'double'] as const)
  return make(type, { random, depth: 0, names: [] })
}

/** The same with a few characters lost, doubled, swapped, or replaced. */
export function breakExpression(random: Random, source: string): string {
  let broken = source
  for (let times = 1 + random.below(3); times > 0; times--) {
    const at = random.below(broken.length + 1)
    const rest = broken.slice(at + random.below(3))
    broken = `${broken.slice(0, at)}${random.chance(0.6) ? random.pick(PIECES) : ''}${rest}`
  }
  return broken
}

const WORDS =
  "${ } // ''' \\u12 \\x 😀 \ud800 é 0x 1e 1u b r in has( .exists(x, req res vars conn actions hash __proto__ constructor " +
  'sallyport_view $url matches( secrets.get( req.headers[ null true'
const SIGNS = '()[]{}<>"\'`\\.,:;?!&|+-*/%=$#@~^ \n\r\t\0\x1b'
const PIECES = WORDS.split(' ').concat(SIGNS.split(''))

const DEPTH_MAX = 4
const ODD = 0.03 // of another type: it must be refused, or fail

function make(type: Type, place: Place): string {
  const { random, depth, names } = place
  const inner: Place = { ...place, depth: depth + 1 }
  if (random.chance(ODD)) return make(random.pick(['bool', 'int', 'string', 'words']), inner)
  const known = names.filter((each) => each.type === type)
  if (known.length > 0 && random.chance(0.4)) return random.pick(known).name
  if (depth >= DEPTH_MAX || random.chance(0.2)) return leaf(type, random)
  const of = (wanted: Type): string => make(wanted, inner)
  switch (type) {
    case 'bool':
      return makeBool(inner, of)
    case 'int':
      return makeInt(random, of)
    case 'double':
      return makeDouble(random, of)
    case 'string':
      return makeString(random, of)
    case 'words':
      return makeWords(inner, of)
    case 'numbers':
      return makeNumbers(inner, of)
  }
}

function leaf(type: Type, random: Random): string {
  switch (type) {
    case 'bool':
      return random.pick(['true', 'false', 'vars.flag', 'has(vars.nope)', 'has(vars.name)', "'one' in vars.table"])
    case 'int':
      return random.pick([
        '0',
        '1',
        '-1',
        '7',
        '100',
        'vars.count',
        'vars.big',
        'vars.table.one',
        "vars.table['two']",
        '0x1F',
      ])
    case 'double':
      return random.pick(['0.0', '1.5', '-2.25', '1e3', 'vars.ratio'])
    case 'string':
      return random.pick([
        "''",
        "'a'",
        "'alpha'",
        '"it\'s"',
        "'😀'",
        "r'\\d+'",
        "'a,b,,c'",
        "'\\u00fc\\n'",
        'vars.name',
        'vars.emoji',
        'vars.empty',
        'vars.path',
        'vars.words[0]',
      ])
    case 'words':
      return random.pick([
        '[]',
        "['a', 'b']",
        'vars.words',
        'vars.roles.admin',
        "vars.roles['guest']",
        "['a', 'a', 'B']",
      ])
    case 'numbers':
      return random.pick(['[]', '[1, 2, 3]', 'vars.numbers', '[-1]', '[vars.count, 0]'])
  }
}

type Of = (type: Type) => string

function makeBool({ random, names, depth }: Place, of: Of): string {
  const compared = random.pick(['int', 'double', 'string'] as const)
  switch (random.below(12)) {
    case 0:
      return `${of('bool')} && ${of('bool')}`
    case 1:
      return `${of('bool')} || ${of('bool')}`
    case 2:
      return `!(${of('bool')})`
    case 3:
    case 4:
      return `(${of(compared)} ${random.pick(['==', '!=', '<', '<=', '>', '>='])} ${of(compared)})`
    case 5:
      return `${of('string')}.${random.pick(['startsWith', 'endsWith', 'contains'])}(${of('string')})`
    case 6:
      return `${of('string')}.matches(${random.pick(["'^a'", "'[a-z]+$'", "'(?i)ALPHA'", "'\\\\d'", "'ü'", "'^$'", "'a.b'"])})`
    case 7:
      return `(${of('string')} in ${of('words')})`
    case 8:
      return `(${of('bool')} ? ${of('bool')} : ${of('bool')})`
    case 9:
      return `(${of('words')} == ${of('words')})`
    default: {
      const [list, type] = random.pick([
        ['words', 'string'],
        ['numbers', 'int'],
      ] as const)
      const name = `x${names.length}`
      const body = make('bool', { random, depth, names: [...names, { name, type }] })
      return `${of(list)}.${random.pick(['exists', 'all', 'exists_one'])}(${name}, ${body})`
    }
  }
}

function makeInt(random: Random, of: Of): string {
  switch (random.below(8)) {
    case 0:
    case 1:
      return `(${of('int')} ${random.pick(['+', '-', '*', '/', '%'])} ${of('int')})`
    case 2:
      return `size(${of(random.pick(['string', 'words', 'numbers']))})`
    case 3:
      return `${of('string')}.size()`
    case 4:
      return `${of('string')}.${random.pick(['indexOf', 'lastIndexOf'])}(${of('string')})`
    case 5:
      return `int(${of(random.pick(['double', 'string', 'int']))})`
    case 6:
      return `${of('numbers')}[${of('int')}]`
    default:
      return `-(${of('int')})`
  }
}

function makeDouble(random: Random, of: Of): string {
  switch (random.below(3)) {
    case 0:
      return `(${of('double')} ${random.pick(['+', '-', '*', '/'])} ${of('double')})`
    case 1:
      return `double(${of(random.pick(['int', 'string', 'double']))})`
    default:
      return `(${of('bool')} ? ${of('double')} : ${of('double')})`
  }
}

function makeString(random: Random, of: Of): string {
  switch (random.below(12)) {
    case 0:
    case 1:
      return `(${of('string')} + ${of('string')})`
    case 2:
      return `${of('string')}.${random.pick(['lowerAscii', 'upperAscii', 'trim'])}()`
    case 3:
      return `${of('string')}.substring(${of('int')})`
    case 4:
      return `${of('string')}.substring(${random.below(3)}, ${random.below(6)})`
    case 5:
      return `${of('string')}.charAt(${random.below(6)})`
    case 6:
      return `${of('string')}.replace(${of('string')}, ${of('string')})`
    case 7:
      return `${of('words')}.join(${of('string')})`
    case 8:
      return `string(${of(random.pick(['int', 'bool', 'string']))})`
    case 9:
      return `${of('words')}[${random.below(4)}]`
    case 10:
      return `'%s|%d'.format([${of('string')}, ${of('int')}])`
    default:
      return `(${of('bool')} ? ${of('string')} : ${of('string')})`
  }
}

function makeWords({ random, names, depth }: Place, of: Of): string {
  const name = `x${names.length}`
  const body = (type: Type, named: Type): string =>
    make(type, { random, depth, names: [...names, { name, type: named }] })
  switch (random.below(5)) {
    case 0:
      return `${of('string')}.split(${random.pick(["','", "'/'", "''"])})`
    case 1:
      return `${of('words')}.filter(${name}, ${body('bool', 'string')})`
    case 2:
      return `${of('words')}.map(${name}, ${body('string', 'string')})`
    case 3:
      return `${of('numbers')}.map(${name}, ${body('bool', 'int')}, ${body('string', 'int')})`
    default:
      return `(${of('words')} + ${of('words')})`
  }
}

function makeNumbers({ random, names, depth }: Place, of: Of): string {
  const name = `x${names.length}`
  const body = (type: Type, named: Type): string =>
    make(type, { random, depth, names: [...names, { name, type: named }] })
  switch (random.below(3)) {
    case 0:
      return `${of('numbers')}.filter(${name}, ${body('bool', 'int')})`
    case 1:
      return `${of('words')}.map(${name}, ${body('int', 'string')})`
    default:
      return `(${of('numbers')} + ${of('numbers')})`
  }
}

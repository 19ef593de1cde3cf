// Functions of texts. cel-spec: "String functions"; cel-go ext/strings; ngrok docs: "Macros Reference", String.
// If these differ, ngrok's docs count: `split(sep, n)` drops everything after the n-th piece.

import { ValueError } from '../expression-error.ts'
import type { ExpressionView } from '../expression-view.ts'
import { PatternCache } from '../patterns.ts'
import { codePointAtUnit, codePointCount, codePointSlice, unitOfCodePoint } from './code-points.ts'
import { type FunctionDefinition, define } from './define-function.ts'

const patterns = new PatternCache()

export const TEXT_FUNCTIONS: readonly FunctionDefinition[] = [
  define(
    'string.startsWith(string): bool',
    'whether it starts with a text',
    ({ budget }: ExpressionView, text: string, start: string) => {
      budget.spendText(start.length)
      return text.startsWith(start)
    },
  ),
  define(
    'string.endsWith(string): bool',
    'whether it ends with a text',
    ({ budget }: ExpressionView, text: string, end: string) => {
      budget.spendText(end.length)
      return text.endsWith(end)
    },
  ),
  define(
    'string.contains(string): bool',
    'whether it contains a text',
    ({ budget }: ExpressionView, text: string, piece: string) => {
      budget.spendText(text.length)
      return text.includes(piece)
    },
  ),
  define('string.matches(string): bool', 'whether the pattern of RE2 matches anywhere in the text', matches),
  define('matches(string, string): bool', 'whether the pattern of RE2 matches anywhere in the text', matches),
  define(
    'string.charAt(int): string',
    'the character at an index; empty at the end',
    ({ budget }: ExpressionView, text: string, at: bigint) => {
      budget.spendText(text.length)
      const place = placeIn('charAt', text, at)
      return codePointSlice(text, place, place + 1)
    },
  ),
  define('string.indexOf(string): int', 'the index of the first place; -1 if there is none', indexOf),
  define(
    'string.indexOf(string, int): int',
    'the index of the first place at or after an index; -1 if there is none',
    indexOf,
  ),
  define('string.lastIndexOf(string): int', 'the index of the last place; -1 if there is none', lastIndexOf),
  define(
    'string.lastIndexOf(string, int): int',
    'the index of the last place at or before an index; -1 if there is none',
    lastIndexOf,
  ),
  define('string.substring(int): string', 'the part from an index to the end', substring),
  define('string.substring(int, int): string', 'the part from one index up to, but without, another', substring),
  define('string.lower(): string', 'in lower case, in all scripts', ({ budget }: ExpressionView, text: string) =>
    budget.text(text.toLowerCase()),
  ),
  define('string.upper(): string', 'in upper case, in all scripts', ({ budget }: ExpressionView, text: string) =>
    budget.text(text.toUpperCase()),
  ),
  define(
    'string.lowerAscii(): string',
    'in lower case; changes only A to Z',
    ({ budget }: ExpressionView, text: string) =>
      budget.text(text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())),
  ),
  define(
    'string.upperAscii(): string',
    'in upper case; changes only a to z',
    ({ budget }: ExpressionView, text: string) =>
      budget.text(text.replace(/[a-z]+/g, (letters) => letters.toUpperCase())),
  ),
  define('string.replace(string, string): string', 'replaces every place', replace),
  define('string.replace(string, string, int): string', 'replaces the first n places', replace),
  define(
    'string.trim(): string',
    'removes the white space of Unicode at both ends',
    ({ budget }: ExpressionView, text: string) => {
      budget.spendText(text.length)
      const start = text.search(/\P{White_Space}/u)
      return start === -1 ? '' : text.slice(start, endOfText(text))
    },
  ),
  define('string.reverse(): string', 'the characters in reverse order', ({ budget }: ExpressionView, text: string) =>
    budget.text(Array.from(text).toReversed().join('')),
  ),
  define('string.split(): list<string>', 'the pieces between spaces', split),
  define('string.split(string): list<string>', 'the pieces between the separators', split),
  define('string.split(string, int): list<string>', 'the first n pieces; the rest of the text is dropped', split),
  define(
    'strings.quote(string): string',
    'the text in double quotes, with escapes',
    ({ budget }: ExpressionView, text: string) => budget.text(quote(text)),
  ),
]

function matches({ budget }: ExpressionView, text: string, pattern: string): boolean {
  return patterns.get(pattern, budget).isIn(text, budget)
}

function indexOf({ budget }: ExpressionView, text: string, piece: string, from?: bigint): bigint {
  budget.spendText(text.length)
  const start = from === undefined ? 0 : unitOfCodePoint(text, placeIn('indexOf', text, from))
  return BigInt(codePointAtUnit(text, text.indexOf(piece, start)))
}

function lastIndexOf({ budget }: ExpressionView, text: string, piece: string, upTo?: bigint): bigint {
  budget.spendText(text.length)
  const end = upTo === undefined ? undefined : unitOfCodePoint(text, placeIn('lastIndexOf', text, upTo))
  return BigInt(codePointAtUnit(text, text.lastIndexOf(piece, end)))
}

function substring({ budget }: ExpressionView, text: string, from: bigint, to?: bigint): string {
  budget.spendText(text.length)
  const start = placeIn('substring', text, from)
  const end = to === undefined ? undefined : placeIn('substring', text, to)
  if (end !== undefined && end < start) throw new ValueError('substring: the end is before the start')
  return codePointSlice(text, start, end)
}

/** @throws ValueError for a place outside the text */
function placeIn(name: string, text: string, at: bigint): number {
  if (at < 0n || at > BigInt(text.length) || at > BigInt(codePointCount(text))) {
    throw new ValueError(`${name}: ${at} is outside of the text`)
  }
  return Number(at)
}

function replace({ budget }: ExpressionView, text: string, piece: string, by: string, most = -1n): string {
  if (most === 0n) return text
  const count = piecesIn(text, piece)
  const times = most < 0n || most > BigInt(count) ? count : Number(most)
  budget.spend((text.length >> 5) + (count >> 1))
  budget.allowText(text.length + times * (by.length - piece.length))
  const parts = piece === '' ? ['', ...Array.from(text)] : text.split(piece)
  let made = parts[0] ?? ''
  for (let i = 1; i < parts.length; i++) made += `${i <= times ? by : piece}${parts[i]}`
  if (piece === '' && parts.length <= times) made += by // Go: after the last character too
  return budget.text(made)
}

/** How often a piece can be replaced. An empty piece is before, between and after all characters. */
function piecesIn(text: string, piece: string): number {
  if (piece === '') return codePointCount(text) + 1
  let count = 0
  for (let at = text.indexOf(piece); at !== -1; at = text.indexOf(piece, at + piece.length)) count++
  return count
}

function split({ budget }: ExpressionView, text: string, separator = ' ', most = -1n): string[] {
  budget.spendText(text.length)
  if (most === 0n) return []
  const pieces = separator === '' ? Array.from(text) : text.split(separator)
  return budget.list(most < 0n ? pieces : pieces.slice(0, Number(most)))
}

/** A regular expression for white space at the end would try at every white space inside the text. */
function endOfText(text: string): number {
  let end = text.length
  while (end > 0 && /\p{White_Space}/u.test(text[end - 1]!)) end-- // within bounds
  return end
}

/** cel-go ext/strings, `quote`. */
function quote(text: string): string {
  let escaped = text.toWellFormed()
  for (const [sign, by] of ESCAPES) escaped = escaped.replaceAll(sign, by)
  return `"${escaped}"`
}

/** The backslash is the first one, because all other escapes contain it. */
const ESCAPES = [
  ['\\', '\\\\'],
  ['"', '\\"'],
  ['\u0007', '\\a'],
  ['\b', '\\b'],
  ['\f', '\\f'],
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
  ['\v', '\\v'],
] as const

// Lays a text out in lines of a terminal: wrapped between words with a hanging indent, and on a low terminal without
// the least important parts. Nothing that a person reads, copies or follows is cut. Pure.

import { styleText } from 'node:util'

import { withoutControls } from '@sallyport/protocol/printable'

import { cutToWidth, foldToWidth, widthOf } from './text-width.ts'

export type Style = Parameters<typeof styleText>[0]

/** A word or an address, which is never broken while a line has room for it. */
export interface Word {
  text: string
  style?: Style | undefined
}

export interface Part {
  /** The key to the left of the words; undefined if they begin the line. */
  key?: string | undefined
  keyStyle?: Style | undefined
  words: readonly Word[]
  /** Further lines of the same kind below it, each with words of its own. */
  more?: readonly (readonly Word[])[] | undefined
  /** Columns that are kept for the key. */
  indent?: number | undefined
  /** Always takes one line: the last word is cut. Not for addresses, messages and advice. */
  isOneLine?: boolean | undefined
  /** On a low terminal the highest rank is left out first; 0 stays. */
  rank: number
}

/** A continuation line is indented further than the start of an entry. */
const CONTINUED_INDENT = 2
/** If a word does not fit beside its key, the words begin below the key, so far from the edge. */
const BELOW_INDENT = 2
/** Below this a value has no room beside its key, and is shown alone. */
const KEYS_FROM_WIDTH = 30

/** Words of a text, split at its spaces. */
export function wordsOf(text: string, style?: Style): Word[] {
  return text
    .split(/\s+/)
    .filter((word) => word !== '')
    .map((word) => ({ text: word, style }))
}

/**
 * Lines of at most `width` columns, at most `height` of them.
 * @param height how many lines there may be; the highest rank is left out first, the later one among equals
 */
export function layOut(parts: readonly Part[], width: number, height = Infinity): string[] {
  const laid = parts.map((part) => ({ rank: part.rank, lines: layPart(part, width) }))
  let count = laid.reduce((sum, { lines }) => sum + lines.length, 0)
  const byRank = laid.toReversed().toSorted((a, b) => b.rank - a.rank)
  for (const each of byRank) {
    if (count <= height || each.rank === 0) break
    count -= each.lines.length
    each.lines = []
  }
  const lines = laid.flatMap((each) => each.lines)
  return lines.length <= height ? lines : lines.slice(0, Math.max(1, height))
}

function layPart(part: Part, width: number): string[] {
  const { key, keyStyle, indent = 0, isOneLine = false } = part
  const words = part.words.map(cleaned)
  const more = (part.more ?? []).map((line) => line.map(cleaned))
  if (words.length === 0) return [key === undefined ? '' : styled(cutToWidth(key, width), keyStyle)]
  if (isOneLine) return [oneLine(words, width)]
  const all = [words, ...more]
  const further = more.length > 0 ? CONTINUED_INDENT : 0
  if (key === undefined || width < KEYS_FROM_WIDTH) return all.flatMap((each) => wrap(each, width, 0, further))
  const hasRoom = all.flat().every(({ text }) => widthOf(text) <= width - indent - further)
  const lines = all.flatMap((each) => wrap(each, width, hasRoom ? indent : BELOW_INDENT, further))
  if (!hasRoom) return key === '' ? lines : [styled(key, keyStyle), ...lines]
  const [first = '', ...others] = lines
  return [styled(key, keyStyle) + ' '.repeat(Math.max(1, indent - widthOf(key))) + first.trimStart(), ...others]
}

/**
 * Lines that begin `indent` columns from the edge, and `further` more behind the first one. A word that is wider than a line
 * goes over several whole ones.
 */
function wrap(words: readonly Word[], width: number, indent: number, further: number): string[] {
  const lines: string[] = []
  const indentHere = (): number => (lines.length === 0 ? indent : indent + further)
  let line = ''
  let taken = 0
  const flush = (): void => {
    if (taken > 0) lines.push(' '.repeat(indentHere()) + line)
    line = ''
    taken = 0
  }
  for (const { text, style } of words) {
    const wordWidth = widthOf(text)
    if (taken > 0 && taken + 1 + wordWidth > width - indentHere()) flush()
    if (wordWidth > width - indentHere()) {
      // From the edge, so that a copied text has no gap.
      lines.push(...foldToWidth(text, width).map((piece) => styled(piece, style)))
      continue
    }
    line += (taken > 0 ? ' ' : '') + styled(text, style)
    taken += (taken > 0 ? 1 : 0) + wordWidth
  }
  flush()
  return lines
}

/** From any source: nothing in a word moves the cursor or reverses the line. */
function cleaned({ text, style }: Word): Word {
  return { text: withoutControls(text), style }
}

function oneLine(words: readonly Word[], width: number): string {
  let left = width
  const shown: string[] = []
  for (const { text, style } of words) {
    if (left <= 0) break
    const kept = cutToWidth(text, left)
    shown.push(styled(kept, style))
    left -= widthOf(kept) + 1
  }
  return shown.join(' ')
}

function styled(text: string, style: Style | undefined): string {
  return style === undefined || text === '' ? text : styleText(style, text)
}

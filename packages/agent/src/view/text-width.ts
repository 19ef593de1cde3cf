// How many columns of a terminal a text takes, and a text in pieces that fit. Pure.

import { stripVTControlCharacters } from 'node:util'

/** Everything except characters that take one column each. */
// oxlint-disable-next-line no-control-regex
const BEYOND_ASCII = /[^\u0000-\u007e]/
// East_Asian_Width W and F (Unicode Standard Annex #11), by blocks, and pictographs.
const WIDE =
  /^(?:[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{1f200}-\u{1f2ff}\u{20000}-\u{3fffd}]|\p{Emoji_Presentation})/u
/** Drawn on top of the character before. */
const WITHOUT_WIDTH = /^[\p{Mn}\p{Me}\p{Cf}]$/u

/** Columns that a text takes; the codes of colours in it take none. */
export function widthOf(text: string): number {
  const plain = stripVTControlCharacters(text)
  if (!BEYOND_ASCII.test(plain)) return plain.length
  let width = 0
  for (const character of plain) width += widthOfCharacter(character)
  return width
}

/** The start of a text without colours that fits, ending in "…" if it is cut. */
export function cutToWidth(text: string, width: number): string {
  if (widthOf(text) <= width) return text
  return width < 1 ? '' : `${piecesOf(text, width - 1, 1)[0] ?? ''}…`
}

/** A text without colours in pieces of at most `width` columns each, which is 2 or more: nothing is lost. */
export function foldToWidth(text: string, width: number): string[] {
  return piecesOf(text, Math.max(2, width), Infinity)
}

function piecesOf(text: string, width: number, count: number): string[] {
  const pieces: string[] = []
  let piece = ''
  let taken = 0
  for (const character of text) {
    const more = widthOfCharacter(character)
    if (taken + more > width) {
      pieces.push(piece)
      if (pieces.length === count) return pieces
      piece = ''
      taken = 0
    }
    piece += character
    taken += more
  }
  return [...pieces, piece]
}

function widthOfCharacter(character: string): number {
  if (!BEYOND_ASCII.test(character)) return 1
  if (WITHOUT_WIDTH.test(character)) return 0
  return WIDE.test(character) ? 2 : 1
}

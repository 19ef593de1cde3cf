// Sentences for the person who has started the agent, on standard error: on a terminal no word is broken.

import { layOut, wordsOf } from './layout.ts'
import { widthOf } from './text-width.ts'

/** The output for messages; process.stderr is one. */
export interface Place {
  write: (text: string) => unknown
  isTTY?: boolean
  columns?: number
}

/** @param text one line or several. Lines that fit stay unchanged, such as a part of a file with a mark below it */
export function tellPerson(text: string, place: Place = process.stderr): void {
  const width = place.isTTY && place.columns ? place.columns - 1 : Infinity
  const lines = text.split('\n').flatMap((line) => (widthOf(line) <= width ? [line] : wrapped(line, width)))
  place.write(`${lines.join('\n')}\n`)
}

function wrapped(line: string, width: number): string[] {
  return layOut([{ words: wordsOf(line), rank: 0 }], width)
}

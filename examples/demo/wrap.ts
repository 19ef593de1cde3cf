// Text for a terminal, broken between words and never within one, so that commands pasted from it still work.
// Pure.

/** A sentence in as many lines as it needs. A word that is wider than the terminal has its own line. */
export function wrapText(text: string, width: number, indent: string): string {
  return fold(text.split(' '), width - indent.length).join(`\n${indent}`)
}

/**
 * Wraps a long command over several lines that a shell reads as one command.
 * @param phrases words that stay side by side, such as a flag and its value
 */
export function wrapCommand(phrases: readonly (readonly string[])[], width: number, indent: string): string {
  const further = `${indent}  `
  const ending = ' \\'
  const pieces = phrases.map((words) => words.map(quote).join(' '))
  return fold(pieces, width - further.length - ending.length).join(`${ending}\n${further}`)
}

function fold(words: readonly string[], width: number): string[] {
  const lines: string[] = []
  for (const word of words) {
    const longer = `${lines.at(-1)} ${word}`
    if (lines.length > 0 && longer.length <= width) lines[lines.length - 1] = longer
    else lines.push(word)
  }
  return lines
}

function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}

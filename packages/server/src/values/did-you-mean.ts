// Finds the word that was probably meant. Pure: no I/O, no clock.

const WORD_MAX_CHARS = 64 // the work grows with the square, and keys of relay.yml are shorter

/** The known word nearest to the written one, if at most a third of it differs; otherwise undefined. */
export function didYouMean(written: string, known: Iterable<string>): string | undefined {
  if (written.length > WORD_MAX_CHARS) return undefined
  const plain = plainWord(written)
  let nearest: string | undefined
  let nearestDistance = Math.max(2, Math.floor(written.length / 3)) + 1
  for (const word of known) {
    const distance = editDistance(plain, plainWord(word))
    if (distance >= nearestDistance) continue
    nearest = word
    nearestDistance = distance
  }
  return nearest
}

// `publicUrl` and `public-url` mean public_url.
function plainWord(word: string): string {
  return word.toLowerCase().replace(/[-_]/g, '')
}

/** Insertions, deletions, replacements and swaps of neighbours (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const replaced = at(last, column - 1) + (a[row - 1] === b[column - 1] ? 0 : 1)
      let distance = Math.min(replaced, at(last, column) + 1, at(current, column - 1) + 1)
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        distance = Math.min(distance, at(beforeLast, column - 2) + 1)
      }
      current.push(distance)
    }
    beforeLast = last
    last = current
  }
  return at(last, b.length)
}

function at(distances: readonly number[], column: number): number {
  return distances[column] ?? 0
}

// Takes one page out of many rows without sorting them all: thousands of agents may be connected, and visitors wait
// meanwhile. Pure.

import type { PageWish } from './questions.ts'

/**
 * The rows of the first `limit` keys after `after`, in the order of the keys; rows of one key stay together. One pass
 * over `rows`, which may have any order.
 */
export function pageOf<T>(rows: Iterable<T>, keyOf: (row: T) => string, { after, limit }: PageWish): T[][] {
  const keys: string[] = []
  const page: T[][] = []
  for (const row of rows) {
    const key = keyOf(row)
    if (key <= after) continue
    const place = placeOf(key, keys)
    if (keys[place] === key) page[place]!.push(row) // as long as the keys
    else if (place < limit) {
      keys.splice(place, 0, key)
      page.splice(place, 0, [row])
      if (keys.length > limit) {
        keys.pop()
        page.pop()
      }
    }
  }
  return page
}

/** The index at which a key is, or would be, in a sorted list. */
function placeOf(key: string, sorted: readonly string[]): number {
  let [low, high] = [0, sorted.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (sorted[middle]! < key) low = middle + 1
    else high = middle
  }
  return low
}

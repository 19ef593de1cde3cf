// Interleaved rounds: every chain is measured once, then every chain again. Machines are noisy, and a disturbance
// affects all chains of a round; so only ratios of one run are meaningful, and each figure is the median of its rounds
// or, for a rate, of the better half of them.

export interface Rounds<T> {
  /** The measurements by chain; without failed chains. */
  readonly measured: ReadonlyMap<string, readonly T[]>
  /** Why chains are missing. */
  readonly failed: readonly string[]
}

/** Measures each chain once in each round. A chain that fails is left out from then on, and reported. */
export async function inRounds<C extends { readonly name: string }, T>(
  chains: readonly C[],
  rounds: number,
  measure: (chain: C, round: number) => T | Promise<T>,
): Promise<Rounds<T>> {
  const measured = new Map<string, T[]>(chains.map(({ name }) => [name, []]))
  const failed: string[] = []
  for (let round = 0; round < rounds; round++) {
    for (const chain of chains) {
      const results = measured.get(chain.name)
      if (!results) continue
      progress(`round ${round + 1} of ${rounds}: ${chain.name}`)
      try {
        results.push(await measure(chain, round))
      } catch (error) {
        measured.delete(chain.name)
        failed.push(`${chain.name} failed: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`)
      }
    }
  }
  progress('')
  return { measured, failed }
}

/** Shows the current step on a terminal. */
export function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`)
}

/**
 * The better half of a chain's rounds, by a value that should be high. Other load on the host can only slow a chain
 * down, and a chain of four processes more than a chain of two.
 */
export function betterHalf<T>(items: readonly T[], read: (item: T) => number): T[] {
  return items.toSorted((a, b) => read(b) - read(a)).slice(0, Math.ceil(items.length / 2))
}

/** The rate that is reported: the median of the better half of the rounds. */
export function betterMedian<T>(items: readonly T[], rateOf: (item: T) => number): number {
  return medianOf(betterHalf(items, rateOf), rateOf)
}

export function medianOf<T>(items: readonly T[], read: (item: T) => number): number {
  const sorted = items.map(read).toSorted((a, b) => a - b)
  if (sorted.length === 0) return Number.NaN
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2
}

/** The range in which the median lies with 95 % certainty, however the values are distributed (by their order alone). */
export function medianBounds(values: readonly number[]): { low: number; high: number } {
  const sorted = values.toSorted((a, b) => a - b)
  const away = 1.96 * (Math.sqrt(sorted.length) / 2) // standard deviations of how many values are below the median
  const low = Math.max(0, Math.floor(sorted.length / 2 - away))
  return { low: sorted[low] ?? Number.NaN, high: sorted[sorted.length - 1 - low] ?? Number.NaN }
}

/** The value below which `part` of the sorted values lie. */
export function quantile(sorted: readonly number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN
}

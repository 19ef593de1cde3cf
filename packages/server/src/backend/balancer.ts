// Chooses one tunnel of a group: least exchanges in flight, then in turn.
// Pure but for the turn it remembers: no I/O, no clock.

/** What the balancer looks at. */
export interface Candidate {
  readonly isOnline: boolean
  readonly inFlight: number
}

export class Balancer {
  #turn = 0

  /** @param excluded candidates that this exchange has tried already */
  pick<T extends Candidate>(candidates: readonly T[], excluded?: ReadonlySet<T>): T | undefined {
    const { length } = candidates
    let best: T | undefined
    let bestIndex = 0
    for (let step = 0; step < length; step++) {
      const index = (this.#turn + step) % length
      const candidate = candidates[index]! // index is below length
      if (!candidate.isOnline || excluded?.has(candidate)) continue
      if (best && candidate.inFlight >= best.inFlight) continue
      best = candidate
      bestIndex = index
      if (candidate.inFlight === 0) break
    }
    this.#turn = bestIndex + 1
    return best
  }
}

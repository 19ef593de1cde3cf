// Chooses one tunnel of a group: the one with the fewest exchanges in flight for its weight, the next in turn, or any.
// Long-lived exchanges that are usually silent (WebSockets, event streams) are counted separately: a request goes to
// the tunnel with the fewest requests, a WebSocket to the one with the fewest of its kind. Pure except for the turn
// that it remembers: no I/O, no clock. It runs for every request: no allocation. A weight of 0 is a standby: chosen
// only if no candidate with a weight is left.

import type { BalanceMethod } from '../model/edge-config.ts'
import type { Tier } from './backend.ts'

/** A candidate, as far as the balancer needs it. */
export interface Candidate {
  readonly isOnline: boolean
  /** Online without a hop to another node. */
  readonly isNear: boolean
  /** Whether its app is believed to answer. */
  readonly isWell: boolean
  /** Requests under way. */
  readonly inFlight: number
  /** Upgrades and event streams under way. */
  readonly lasting: number
  /** An integer, 0 or more. */
  readonly weight: number
}

type Reach = 'near' | 'online'

export class Balancer<T extends Candidate> {
  readonly #method: BalanceMethod
  readonly #random: () => number
  #turn = 0
  /** The count to compare for the pick under way. */
  #lasts = false
  /** The list to which the next two fields belong. Lists of candidates are replaced, never changed. */
  #candidates: readonly T[] = []
  #hasOneWeight = true
  /**
   * Smooth weighted turns, as in nginx: each turn adds a candidate's weight, and a choice subtracts the sum of all
   * weights.
   */
  #credits: Float64Array | undefined

  constructor(method: BalanceMethod = 'least_in_flight', random: () => number = Math.random) {
    this.#method = method
    this.#random = random
  }

  /**
   * Candidates that need a hop are chosen only if no other is left.
   * @param tried candidates that this exchange has tried already
   * @param lasts whether the exchange is long-lived
   */
  pick(candidates: readonly T[], tier: Tier, tried?: ReadonlySet<T>, lasts = false): T | undefined {
    if (candidates !== this.#candidates) this.#learn(candidates)
    this.#lasts = lasts
    return this.#pickWithin('near', candidates, tier, tried) ?? this.#pickWithin('online', candidates, tier, tried)
  }

  #loadOf(candidate: T): number {
    return this.#lasts ? candidate.lasting : candidate.inFlight
  }

  #pickWithin(reach: Reach, candidates: readonly T[], tier: Tier, tried: ReadonlySet<T> | undefined): T | undefined {
    if (this.#hasOneWeight && this.#method !== 'random') return this.#pickEqual(reach, candidates, tier, tried)
    return this.#pickWeighted(reach, candidates, tier, tried) ?? this.#pickEqual(reach, candidates, tier, tried)
  }

  #learn(candidates: readonly T[]): void {
    this.#candidates = candidates
    this.#hasOneWeight = candidates.every(({ weight }) => weight === candidates[0]?.weight)
    this.#credits = this.#hasOneWeight ? undefined : new Float64Array(candidates.length)
  }

  #pickEqual(reach: Reach, candidates: readonly T[], tier: Tier, tried: ReadonlySet<T> | undefined): T | undefined {
    const { length } = candidates
    const isInTurn = this.#method !== 'least_in_flight'
    let best: T | undefined
    let bestIndex = 0
    for (let step = 0; step < length; step++) {
      const index = (this.#turn + step) % length
      const candidate = candidates[index]! // index is below length
      if (!isOpen(candidate, reach, tier, tried)) continue
      if (best && this.#loadOf(candidate) >= this.#loadOf(best)) continue
      best = candidate
      bestIndex = index
      if (isInTurn || this.#loadOf(candidate) === 0) break
    }
    if (best) this.#turn = bestIndex + 1
    return best
  }

  /** Undefined if only standbys are left. */
  #pickWeighted(reach: Reach, candidates: readonly T[], tier: Tier, tried: ReadonlySet<T> | undefined): T | undefined {
    const byLoad = this.#method === 'least_in_flight'
    let lowest = Infinity
    let total = 0
    for (const candidate of candidates) {
      if (candidate.weight === 0 || !isOpen(candidate, reach, tier, tried)) continue
      const load = byLoad ? this.#loadOf(candidate) / candidate.weight : 0
      if (load < lowest) {
        lowest = load
        total = 0
      }
      if (load === lowest) total += candidate.weight
    }
    if (total === 0) return undefined
    let ticket = this.#method === 'random' ? this.#random() * total : 0
    let best: T | undefined
    let bestIndex = 0
    for (let index = 0; index < candidates.length; index++) {
      const candidate = candidates[index]!
      if (candidate.weight === 0 || !isOpen(candidate, reach, tier, tried)) continue
      if (byLoad && this.#loadOf(candidate) / candidate.weight !== lowest) continue
      if (this.#method === 'random') {
        best = candidate
        ticket -= candidate.weight
        if (ticket < 0) break
        continue
      }
      const credit = (this.#credits![index]! += candidate.weight) // as long as the candidates, if weights differ
      if (best && credit <= this.#credits![bestIndex]!) continue
      best = candidate
      bestIndex = index
    }
    if (this.#credits && best) this.#credits[bestIndex]! -= total
    return best
  }
}

function isOpen<T extends Candidate>(
  candidate: T,
  reach: Reach,
  tier: Tier,
  tried: ReadonlySet<T> | undefined,
): boolean {
  return (
    (reach === 'near' ? candidate.isNear : candidate.isOnline) &&
    (candidate.isWell || tier === 'any') &&
    !tried?.has(candidate)
  )
}

// Which tunnels of one group are put aside on one route because their app fails while its siblings do not: such an app
// would answer so fast that it has the fewest requests under way, and would attract all requests. Pure: the clock is an
// argument.
//
//   watching ──somebody fails far more often than the others──▶ trial ──it still does──▶ aside 5 s, 10 s … 5 min ──▶ trial
//      ▲                                                          └─────────no─────────▶ resting ──▶ watching
// During a trial tunnels are picked at random, and only these requests are counted. So a visitor who requests failing
// pages can choose neither the tunnel nor the moment: the errors spread over all siblings, and put none aside. Never
// more than half of a group are aside, and only if siblings do better, so never the last one.

const WINDOW_MS = 30_000 // enough for a dozen requests each, at one request a second
const FIRST_ASIDE_MS = 5000
const LAST_ASIDE_MS = 300_000
const CALM_MS = 600_000 // after so long without failures, the next time aside is the shortest again

const SUSPECT_FAILURES = 5 // fewer are no reason to change the balance
const FAR_ABOVE = 0.4 // of all answers, above the failing share of the siblings
// The difference of two shares of n answers each strays by at most √(1 / 2n): this is nearly five times that.
const PROOF = 12
const TRIAL_ANSWERS_MAX = PROOF / FAR_ABOVE ** 2

/** A tunnel, as far as this needs it. */
export interface Sibling {
  readonly isOnline: boolean
  readonly isWell: boolean
}

export type OutlierChange = { type: 'aside'; forMs: number; failures: number; answers: number } | { type: 'back' }

interface Count {
  /** The phase of the next two counts. */
  phase: number
  answers: number
  failures: number
  asideUntil: number
  /** How long it is put aside now, or was the last time. */
  asideMs: number
}

export class Outliers<T extends Sibling> {
  /** When turn() has something to do. */
  nextAt = 0
  readonly #onChange: ((tunnel: T, change: OutlierChange) => void) | undefined
  readonly #counts = new WeakMap<T, Count>()
  readonly #aside = new Map<T, Count>()
  #mode: 'watching' | 'trial' | 'resting' = 'watching'
  #phase = 0
  #phaseStartedAt = 0
  #phaseEndsAt = 0
  #answers = 0
  #failures = 0
  /** The tunnels that are not aside, and the list from which they were computed. */
  #fit: readonly T[] = []
  #fitOf: readonly T[] | undefined

  constructor(onChange?: (tunnel: T, change: OutlierChange) => void) {
    this.#onChange = onChange
  }

  /** Whether tunnels are picked at random now. */
  get isTrial(): boolean {
    return this.#mode === 'trial'
  }

  /** How many are aside. @param now monotonic milliseconds */
  asideAt(now: number): number {
    let count = 0
    for (const { asideUntil } of this.#aside.values()) if (now < asideUntil) count++
    return count
  }

  /** The tunnels of a list that are not aside; the list itself if none is. Lists are replaced, never changed. */
  fit(tunnels: readonly T[]): readonly T[] {
    if (this.#aside.size === 0) return tunnels
    if (this.#fitOf !== tunnels) {
      this.#fitOf = tunnels
      this.#fit = tunnels.filter((tunnel) => !this.#aside.has(tunnel))
    }
    return this.#fit
  }

  /** Advances the phases that are due; to be called once `nextAt` has come. @param now monotonic milliseconds */
  turn(now: number): void {
    if (now >= this.#phaseEndsAt) this.#begin(this.#mode === 'trial' ? 'resting' : 'watching', now)
    for (const [tunnel, { asideUntil }] of this.#aside) {
      if (now < asideUntil) continue
      this.#aside.delete(tunnel)
      this.#begin('trial', now) // so that it attracts no requests before it has shown that it is well again
      this.#onChange?.(tunnel, { type: 'back' })
    }
    this.#plan()
  }

  /**
   * Counts an answer.
   * @param tunnels the group
   * @param askedAt when the exchange began, and
   * @param now when its answer did; monotonic milliseconds
   */
  note(tunnel: T, hasFailed: boolean, tunnels: readonly T[], askedAt: number, now: number): void {
    if (tunnels.length < 2) return
    if (now >= this.nextAt) this.turn(now)
    if (this.#mode === 'resting') return
    if (this.#mode === 'trial' && askedAt < this.#phaseStartedAt) return // not picked at random
    const count = this.#countOf(tunnel)
    count.answers++
    this.#answers++
    if (hasFailed) {
      count.failures++
      this.#failures++
      this.#judge(tunnel, count, tunnels, now)
    }
  }

  #countOf(tunnel: T): Count {
    let count = this.#counts.get(tunnel)
    if (!count) {
      count = { phase: this.#phase, answers: 0, failures: 0, asideUntil: -Infinity, asideMs: 0 }
      this.#counts.set(tunnel, count)
    }
    if (count.phase !== this.#phase) {
      count.phase = this.#phase
      count.answers = 0
      count.failures = 0
    }
    return count
  }

  /** Notes a further failure of a tunnel. */
  #judge(tunnel: T, count: Count, tunnels: readonly T[], now: number): void {
    const { answers, failures } = count
    const others = this.#answers - answers
    const beyond = failures / answers - (others === 0 ? 0 : (this.#failures - failures) / others)
    const isFarAbove = beyond >= FAR_ABOVE && !this.#aside.has(tunnel)
    if (this.#mode === 'watching') {
      if (isFarAbove && failures >= SUSPECT_FAILURES && this.#mayLose(tunnels)) this.#begin('trial', now)
      return
    }
    const each = Math.min(answers, others)
    if (isFarAbove && each * beyond ** 2 >= PROOF && this.#mayLose(tunnels)) this.#putAside(tunnel, count, now)
    else if (each >= TRIAL_ANSWERS_MAX) this.#begin('resting', now)
  }

  /** Whether another tunnel may be put aside: at most half of the working tunnels. */
  #mayLose(tunnels: readonly T[]): boolean {
    let working = 0
    let aside = 0
    for (const tunnel of tunnels) {
      if (!tunnel.isOnline || !tunnel.isWell) continue
      working++
      if (this.#aside.has(tunnel)) aside++
    }
    return (aside + 1) * 2 <= working
  }

  #putAside(tunnel: T, count: Count, now: number): void {
    const { answers, failures, asideUntil, asideMs } = count
    const isNew = now - asideUntil > CALM_MS
    count.asideMs = isNew ? FIRST_ASIDE_MS : Math.min(2 * asideMs, LAST_ASIDE_MS)
    count.asideUntil = now + count.asideMs
    this.#aside.set(tunnel, count)
    this.#begin('watching', now)
    this.#onChange?.(tunnel, { type: 'aside', forMs: count.asideMs, failures, answers })
  }

  #begin(mode: 'watching' | 'trial' | 'resting', now: number): void {
    this.#mode = mode
    this.#phase++
    this.#phaseStartedAt = now
    this.#phaseEndsAt = now + WINDOW_MS
    this.#answers = 0
    this.#failures = 0
    this.#fitOf = undefined
    this.#plan()
  }

  #plan(): void {
    this.nextAt = this.#phaseEndsAt
    for (const { asideUntil } of this.#aside.values()) this.nextAt = Math.min(this.nextAt, asideUntil)
  }
}

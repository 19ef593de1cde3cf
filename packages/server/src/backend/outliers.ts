// Which tunnels of one group are put aside on one route, because their app fails where its siblings do not: it would
// answer so fast that it has the fewest requests under way, and attract everybody. Pure: the clock is an argument.
//
//   watching ──somebody fails far more often than the others──▶ trial ──it still does──▶ aside 5 s, 10 s … 5 min ──▶ trial
//      ▲                                                          └─────────no─────────▶ resting ──▶ watching
//
// While a trial lasts, chance decides who gets a request, and only what chance has sent is counted. So whoever asks for
// what fails can choose neither the tunnel nor the moment: the errors come to all siblings alike, and put nobody aside.
// Never more than half of a group are aside, and it takes siblings that do better, so it is never the last one.

const WINDOW_MS = 30_000 // enough for a dozen requests each, where somebody comes every second
const FIRST_ASIDE_MS = 5000
const LAST_ASIDE_MS = 300_000
const CALM_MS = 600_000 // who has been back for so long begins with the shortest time again

const SUSPECT_FAILURES = 5 // fewer are no reason to change the balance
const FAR_ABOVE = 0.4 // of all answers, beyond the share that fails at the siblings
// The difference of two shares of n answers each strays by at most √(1 / 2n): this is nearly five times that.
const PROOF = 12
const TRIAL_ANSWERS_MAX = PROOF / FAR_ABOVE ** 2

/** What it looks at of a tunnel. */
export interface Sibling {
  readonly isOnline: boolean
  readonly isWell: boolean
}

export type OutlierChange = { type: 'aside'; forMs: number; failures: number; answers: number } | { type: 'back' }

interface Count {
  /** The phase that the two belong to. */
  phase: number
  answers: number
  failures: number
  asideUntil: number
  /** How long it is, or was last, put aside. */
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
  /** Those that are not aside, and of which list that was said. */
  #fit: readonly T[] = []
  #fitOf: readonly T[] | undefined

  constructor(onChange?: (tunnel: T, change: OutlierChange) => void) {
    this.#onChange = onChange
  }

  /** Whether chance has to decide. */
  get isTrial(): boolean {
    return this.#mode === 'trial'
  }

  /** How many are aside. @param now monotonic milliseconds */
  asideAt(now: number): number {
    let count = 0
    for (const { asideUntil } of this.#aside.values()) if (now < asideUntil) count++
    return count
  }

  /** Those of a list that are not aside; the list itself where none is. Lists are replaced, never changed. */
  fit(tunnels: readonly T[]): readonly T[] {
    if (this.#aside.size === 0) return tunnels
    if (this.#fitOf !== tunnels) {
      this.#fitOf = tunnels
      this.#fit = tunnels.filter((tunnel) => !this.#aside.has(tunnel))
    }
    return this.#fit
  }

  /** Goes on with what is due; to be called once `nextAt` has come. @param now monotonic milliseconds */
  turn(now: number): void {
    if (now >= this.#phaseEndsAt) this.#begin(this.#mode === 'trial' ? 'resting' : 'watching', now)
    for (const [tunnel, { asideUntil }] of this.#aside) {
      if (now < asideUntil) continue
      this.#aside.delete(tunnel)
      this.#begin('trial', now) // so that it attracts nobody before it has shown that it is well again
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
    if (this.#mode === 'trial' && askedAt < this.#phaseStartedAt) return // not by chance
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

  /** Somebody has failed once more. */
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

  /** Whether one more can go: no more than half of those that work may be aside. */
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

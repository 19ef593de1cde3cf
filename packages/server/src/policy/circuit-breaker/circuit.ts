// The state of one circuit: closed while the app answers well, open for a while if too many answers are faults, then
// half open, while one request tests the app. Pure: the clock is an argument.
//
//     closed ──too many faults──▶ open ──tripped_duration──▶ half open ──a good answer──▶ closed
//                                   ▲                            │
//                                   └─────────a fault────────────┘

const BUCKETS = 10 // ngrok docs, `circuit-breaker`: num_buckets is always 10

export interface CircuitConfig {
  /** The share of faults, 0 to 1, at which it opens. */
  readonly errorThreshold: number
  /** The number of answers in the window that are needed before it opens. */
  readonly volumeThreshold: number
  readonly windowMs: number
  readonly trippedMs: number
}

/** How a request may continue: as usual, as the probe of the app, or only after so many milliseconds. */
export type Pass = 'normal' | 'probe' | { readonly waitMs: number }

/** The wait that visitors are given while another request probes the app, because nobody knows when the probe ends. */
const WHILE_PROBED_MS = 1000

export class Circuit {
  readonly #config: CircuitConfig
  readonly #answers = Array.from({ length: BUCKETS }, () => 0)
  readonly #faults = Array.from({ length: BUCKETS }, () => 0)
  /** The number of the newest bucket since 1970. */
  #bucket = 0
  /** When the circuit opened last; undefined while it is closed. */
  #openedAt: number | undefined
  #isProbed = false

  constructor(config: CircuitConfig) {
    this.#config = config
  }

  /** Asks for one request. A probe must be followed by `probed()`. */
  enter(now: number): Pass {
    if (this.#openedAt === undefined) return 'normal'
    this.#openedAt = Math.min(this.#openedAt, now) // the clock may have been set back
    const waitMs = this.#openedAt + this.#config.trippedMs - now
    if (waitMs > 0) return { waitMs }
    if (this.#isProbed) return { waitMs: WHILE_PROBED_MS }
    this.#isProbed = true
    return 'probe'
  }

  /**
   * Counts an answer to a request that has passed as normal. An answer after the circuit has opened changes nothing.
   */
  count(isFault: boolean, now: number): void {
    if (this.#openedAt !== undefined) return
    const bucket = this.#roll(now)
    this.#answers[bucket]!++ // it is one of them
    if (!isFault) return
    this.#faults[bucket]!++
    const { errorThreshold, volumeThreshold } = this.#config
    const answers = sum(this.#answers)
    if (answers >= volumeThreshold && sum(this.#faults) / answers >= errorThreshold) this.#openedAt = now
  }

  /**
   * @param isFault undefined if the request had no answer, for instance because its visitor has left: the next request
   * is the probe
   */
  probed(isFault: boolean | undefined, now: number): void {
    this.#isProbed = false
    if (isFault === undefined) return
    this.#openedAt = isFault ? now : undefined
    this.#answers.fill(0)
    this.#faults.fill(0)
  }

  close(): void {
    // It has no timer.
  }

  /** The place of the bucket for now; buckets that are out of the window are empty. */
  #roll(now: number): number {
    const bucket = Math.floor((now / this.#config.windowMs) * BUCKETS)
    const passed = bucket - this.#bucket
    if (passed < 0 || passed >= BUCKETS) {
      this.#answers.fill(0)
      this.#faults.fill(0)
    } else {
      for (let each = this.#bucket + 1; each <= bucket; each++) {
        this.#answers[each % BUCKETS] = 0
        this.#faults[each % BUCKETS] = 0
      }
    }
    this.#bucket = bucket
    return bucket % BUCKETS
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0)
}

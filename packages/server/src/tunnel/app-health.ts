// What is known of the app behind one tunnel: whether it took the last connection, and what the agent's own check says.
//
//          refused                      a connection stands: the probe's, or a visitor's
//   well ───────────▶ aside ──────────────────────────────────────────────────────────▶ well
//                      └ probed after 0.5 s, 1 s, 2 s … 30 s
//
// Both must be fine for the tunnel to be picked before others. It opens nothing by itself: the probe is an argument.

import type { StreamReply } from '@sallyport/protocol'

const FIRST_PROBE_MS = 500 // an app that restarts is back within a second or two
const LAST_PROBE_MS = 30_000

/** Refusals that say nothing of the app. */
const NOT_THE_APP: ReadonlySet<string> = new Set(['tunnel_unknown', 'header_invalid'])

export type HealthChange =
  | { type: 'aside'; code: string; reason: string }
  | { type: 'back' }
  | { type: 'unhealthy'; detail: string }
  | { type: 'healthy' }

/** What it needs of its tunnel. */
export interface AppHealthHost {
  /** Opens a connection to the app and gives back what the agent said; undefined where nothing was learned. Never rejects. */
  probe(): Promise<StreamReply | undefined>
  onHealthChange(change: HealthChange): void
}

export class AppHealth {
  readonly #host: AppHealthHost
  #isAside = false
  #isReportedHealthy = true
  #isStopped = false
  #refusal = ''
  #reported = ''
  #changedAt: number | undefined
  #delayMs = FIRST_PROBE_MS
  #timer: NodeJS.Timeout | undefined

  constructor(host: AppHealthHost) {
    this.#host = host
  }

  get isWell(): boolean {
    return !this.#isAside && this.#isReportedHealthy
  }

  /** Put aside because the app took no connection. */
  get isAside(): boolean {
    return this.#isAside
  }

  /** What the agent's own check says; true where it makes none. */
  get isReportedHealthy(): boolean {
    return this.#isReportedHealthy
  }

  /** What is wrong with the app, in the agent's words; empty where nothing is. */
  get detail(): string {
    if (this.#isAside) return this.#refusal
    return this.#isReportedHealthy ? '' : this.#reported
  }

  /** When it last became better or worse, in milliseconds since 1970; undefined where nothing has happened. */
  get changedAt(): number | undefined {
    return this.#changedAt
  }

  /** Looks at the agent's answer to a stream, whoever opened it. */
  noteReply(reply: StreamReply): void {
    if (reply.ok) {
      if (this.#isAside) this.#takeBack()
    } else if (!this.#isAside && !this.#isStopped && !NOT_THE_APP.has(reply.code)) {
      this.#isAside = true
      this.#delayMs = FIRST_PROBE_MS
      this.#refusal = reply.reason
      this.#schedule()
      this.#change({ type: 'aside', code: reply.code, reason: reply.reason })
    }
  }

  /** The agent's own check. */
  report(healthy: boolean, detail: string): void {
    if (healthy === this.#isReportedHealthy) return
    this.#isReportedHealthy = healthy
    this.#reported = detail
    this.#change(healthy ? { type: 'healthy' } : { type: 'unhealthy', detail })
  }

  /** Ends the probing: the tunnel goes. */
  stop(): void {
    this.#isStopped = true
    clearTimeout(this.#timer)
  }

  #takeBack(): void {
    this.#isAside = false
    clearTimeout(this.#timer)
    this.#change({ type: 'back' })
  }

  #change(change: HealthChange): void {
    this.#changedAt = Date.now()
    this.#host.onHealthChange(change)
  }

  #schedule(): void {
    this.#timer = setTimeout(() => void this.#probe(), this.#delayMs)
    this.#timer.unref()
  }

  async #probe(): Promise<void> {
    const reply = await this.#host.probe()
    if (this.#isStopped || !this.#isAside) return // a visitor was faster
    if (reply?.ok) return this.#takeBack()
    this.#delayMs = Math.min(this.#delayMs * 2, LAST_PROBE_MS)
    this.#schedule()
  }
}

// The health of the app behind one tunnel: whether it took the last connection, and the result of the agent's own
// check.
//
//          refused                      a connection is made: the probe's, or a visitor's
//   well ───────────▶ aside ──────────────────────────────────────────────────────────▶ well
//                      └ probed after 0.5 s, 1 s, 2 s … 30 s
//
// Both must be fine for the tunnel to be picked before others. It opens nothing by itself: the probe is an argument.

import type { StreamReply } from '@sallyport/protocol'

const FIRST_PROBE_MS = 500 // an app that restarts is back within a second or two
const LAST_PROBE_MS = 30_000

/** Refusals that say nothing about the app. */
const NOT_THE_APP: ReadonlySet<string> = new Set(['tunnel_unknown', 'header_invalid'])

export type HealthChange =
  | { type: 'aside'; code: string; reason: string }
  | { type: 'back' }
  | { type: 'unhealthy'; detail: string }
  | { type: 'healthy' }

/** The tunnel, as far as this needs it. */
export interface AppHealthHost {
  /** Opens a connection to the app and returns the agent's reply; undefined without a result. Never rejects. */
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

  /** The result of the agent's own check; true without one. */
  get isReportedHealthy(): boolean {
    return this.#isReportedHealthy
  }

  /** The app's problem, in the agent's words; empty without one. */
  get detail(): string {
    if (this.#isAside) return this.#refusal
    return this.#isReportedHealthy ? '' : this.#reported
  }

  /** When it last became better or worse, in milliseconds since 1970; undefined if that has not happened. */
  get changedAt(): number | undefined {
    return this.#changedAt
  }

  /** Takes the agent's reply on any stream, a probe's or a visitor's. */
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

  /** Ends the probing: the tunnel is closing. */
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

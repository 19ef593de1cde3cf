// Checks one upstream repeatedly, and reports when it becomes healthy or unhealthy.
//
//   unhealthy ("not checked yet") --first check--> healthy or unhealthy --enough checks in a row--> the other

import { setTimeout as sleep } from 'node:timers/promises'

import type { CheckResult } from './check-upstream.ts'
import { afterCheck } from './health-record.ts'
import type { HealthRecord, HealthThresholds } from './health-record.ts'

export interface HealthPlan extends HealthThresholds {
  /** Path and query of the check. */
  path: string
  /** From the end of one check to the start of the next. */
  intervalMs: number
  timeoutMs: number
}

export interface HealthState {
  healthy: boolean
  /** For people: the result of the last decisive check. */
  detail: string
}

export class HealthChecker {
  readonly #plan: HealthPlan
  readonly #check: (signal: AbortSignal) => Promise<CheckResult>
  readonly #onChange: (state: HealthState) => void
  readonly #stop = new AbortController()
  #state: HealthState = { healthy: false, detail: 'not checked yet' }

  /** @param onChange also called after the first check, with either result */
  constructor(
    plan: HealthPlan,
    check: (signal: AbortSignal) => Promise<CheckResult>,
    onChange: (state: HealthState) => void,
  ) {
    this.#plan = plan
    this.#check = check
    this.#onChange = onChange
  }

  get state(): HealthState {
    return this.#state
  }

  /** Checks until it is closed. Resolves then; never rejects. */
  async run(): Promise<void> {
    const { signal } = this.#stop
    let record: HealthRecord | undefined
    while (!signal.aborted) {
      const { passed, detail } = await this.#check(signal)
      if (signal.aborted) return
      const next = afterCheck(record, passed, this.#plan)
      const isNews = !record || next.healthy !== record.healthy
      record = next
      if (isNews) {
        this.#state = { healthy: next.healthy, detail }
        this.#onChange(this.#state)
      }
      try {
        await sleep(this.#plan.intervalMs, undefined, { signal, ref: false })
      } catch {
        return // closed
      }
    }
  }

  close(): void {
    this.#stop.abort()
  }
}

// Counters that are updated as events happen: exchanges and faults. The other metrics are read on request (metrics.ts).

import { Counter, Histogram } from 'prom-client'
import type { Metric } from 'prom-client'

const SECONDS_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

export class Counts {
  /** In the order of the page. */
  readonly metrics: readonly Metric[]
  readonly #seconds: Histogram
  /** Exchanges by hundreds of the status; index 0 is for exchanges that were cut off without one. */
  readonly #byClass = new Float64Array(6)
  readonly #byError = new Map<string, number>()
  readonly #faults: Counter

  constructor() {
    const registers: [] = [] // Metrics takes them
    this.#seconds = new Histogram({
      name: 'sallyport_exchange_duration_seconds',
      help: 'From the head of a request to the end of its answer.',
      buckets: SECONDS_BUCKETS,
      registers,
    })
    const byClass = this.#byClass
    const exchanges = new Counter({
      name: 'sallyport_exchanges_total',
      help: 'Exchanges that have ended, by class of their status; "none" was cut off before an answer.',
      labelNames: ['status'],
      registers,
      collect() {
        this.reset()
        for (const [index, count] of byClass.entries()) this.inc({ status: index === 0 ? 'none' : `${index}xx` }, count)
      },
    })
    const byError = this.#byError
    const errors = new Counter({
      name: 'sallyport_errors_total',
      help: 'Answers that the relay itself had to give, by Sallyport-Error-Code.',
      labelNames: ['code'],
      registers,
      collect() {
        this.reset()
        for (const [code, count] of byError) this.inc({ code }, count)
      },
    })
    this.#faults = new Counter({
      name: 'sallyport_internal_errors_total',
      help: 'Faults of the relay itself, by what each of them ended. The log has the stack.',
      labelNames: ['border'],
      registers,
    })
    this.metrics = [this.#seconds, exchanges, errors, this.#faults]
  }

  /** Counts an exchange that has ended. */
  count(status: number, milliseconds: number, errorCode: string | undefined): void {
    const index = status >= 100 && status < 600 ? Math.floor(status / 100) : 0
    this.#byClass[index]! += 1 // index is 0 to 5
    this.#seconds.observe(milliseconds / 1000)
    if (errorCode) this.#byError.set(errorCode, (this.#byError.get(errorCode) ?? 0) + 1)
  }

  /** Counts an exception within a border. @param border the kind of thing that it ended */
  countFault(border: string): void {
    this.#faults.inc({ border })
  }
}

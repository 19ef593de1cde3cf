// `/metrics` of a relay with several workers: their metrics combined, and the state of the workers.

import { AggregatorRegistry, Counter, Gauge, Registry } from 'prom-client'

import { LOG_LINES_DROPPED } from '../admin/metrics.ts'
import { reloadGauges } from '../admin/reload-gauges.ts'
import type { LastReload } from '../operator/reload.ts'

export interface WorkerReadings {
  /** The metrics of each worker that answers in time. */
  measure: () => Promise<object[]>
  serving: () => number
  restarts: () => number
  /** Dropped lines of the supervisor's log. */
  logLinesDropped: () => number
  lastReload: LastReload
}

export class WorkerMetrics {
  readonly #measure: WorkerReadings['measure']
  readonly #own = new Registry()
  /** The metrics that the workers have as well. The supervisor counts as another worker. */
  readonly #shared = new Registry()

  constructor({ measure, serving, restarts, logLinesDropped, lastReload }: WorkerReadings) {
    this.#measure = measure
    const registers = [this.#own]
    reloadGauges(registers, lastReload)
    new Gauge({
      name: 'sallyport_workers',
      help: 'Workers that serve.',
      registers,
      collect() {
        this.set(serving())
      },
    })
    new Counter({
      ...LOG_LINES_DROPPED,
      registers: [this.#shared],
      collect() {
        this.reset()
        this.inc(logLinesDropped())
      },
    })
    new Counter({
      name: 'sallyport_worker_restarts_total',
      help: 'Workers that ended unasked and were started again.',
      registers,
      collect() {
        this.reset()
        this.inc(restarts())
      },
    })
  }

  get contentType(): string {
    return this.#own.contentType
  }

  async text(): Promise<string> {
    const all = AggregatorRegistry.aggregate([...(await this.#measure()), await this.#shared.getMetricsAsJSON()])
    return `${await all.metrics()}\n${await this.#own.metrics()}`
  }
}

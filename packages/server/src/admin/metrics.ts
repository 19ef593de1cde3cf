// The answer of `/metrics`, in Prometheus' text format. Everything that needs no work on the hot path is collected on
// request; the rest is in counts.ts.

import { Counter, Gauge, Registry, collectDefaultMetrics } from 'prom-client'
import type { Aggregator } from 'prom-client'

import type { LastReload } from '../operator/reload.ts'
import type { Counts } from './counts.ts'
import { reloadGauges } from './reload-gauges.ts'

/** Counted by the supervisor of several workers as well. */
export const LOG_LINES_DROPPED = {
  name: 'sallyport_log_lines_dropped_total',
  help: 'Lines of the log that could not be written: no room, no reader, or one that was too slow.',
}

/** Read when the metrics are requested. */
export interface Readings {
  tunnelSessions(): number
  tunnels(): number
  /** Tunnels whose app took no connection. */
  tunnelsAside(): number
  /** Tunnels whose agent reports an unhealthy app. */
  tunnelsUnhealthy(): number
  /**
   * Tunnels that routes do not use at present, because they fail while their siblings do not; counted for each
   * route.
   */
  tunnelsFailing(): number
  /** Tries on another tunnel, and tries that the retry budget refused. */
  retries(): { granted: number; refused: number }
  /** The number of edges, of relay.yml and of agents. */
  edges: () => Readonly<Record<string, number>>
  /** Undefined in a worker: its supervisor reads relay.yml. */
  lastReload: LastReload | undefined
  visitorSessions(): number
  storeHealthy(): boolean
  /** How often each limit has refused a visitor or agent. */
  limitRefusals(): Iterable<[limit: string, count: number]>
  /** Whether the last files that the process may open are being used up. */
  openFilesShort(): boolean
  /** Streams to agents that are connected to another node only. */
  hops(): number
  /** Lines of the log that could not be written. */
  logLinesDropped(): number
  /** When each certificate ends, in milliseconds since 1970. */
  certificates(): Iterable<{ file: string; validTo: number }>
}

export class Metrics {
  readonly #registry = new Registry()

  constructor(counts: Counts, readings: Readings) {
    const registers = [this.#registry]
    collectDefaultMetrics({ register: this.#registry })
    for (const metric of counts.metrics) this.#registry.registerMetric(metric)
    gauge('sallyport_tunnel_sessions', 'Agent connections.', () => readings.tunnelSessions())
    // Values that every worker knows are not added up.
    gauge('sallyport_tunnels', 'Tunnels online; one for all connections of an agent.', () => readings.tunnels(), 'max')
    gauge('sallyport_tunnels_aside', 'Tunnels whose app takes no connections.', () => readings.tunnelsAside(), 'max')
    gauge(
      'sallyport_tunnels_unhealthy',
      'Tunnels whose agent reports an unhealthy app.',
      () => readings.tunnelsUnhealthy(),
      'max',
    )
    gauge(
      'sallyport_tunnels_failing',
      'Tunnels that a route does not use at present, because they fail while their siblings do not.',
      () => readings.tunnelsFailing(),
      'max',
    )
    new Counter({
      name: 'sallyport_retries_total',
      help: 'Requests that went to another tunnel (granted), or did not because the retry budget was spent (refused).',
      labelNames: ['outcome'],
      registers,
      collect() {
        this.reset()
        for (const [outcome, count] of Object.entries(readings.retries())) this.inc({ outcome }, count)
      },
    })
    new Counter({
      ...LOG_LINES_DROPPED,
      registers,
      collect() {
        this.reset()
        this.inc(readings.logLinesDropped())
      },
    })
    new Counter({
      name: 'sallyport_hops_total',
      help: 'Streams to agents that are connected to another node only.',
      registers,
      collect() {
        this.reset()
        this.inc(readings.hops())
      },
    })
    new Counter({
      name: 'sallyport_limit_refusals_total',
      help: 'Connections, requests and tunnels that were refused, by the limit that kept them out.',
      labelNames: ['limit'],
      registers,
      collect() {
        this.reset()
        for (const [limit, count] of readings.limitRefusals()) this.inc({ limit }, count)
      },
    })
    gauge(
      'sallyport_open_files_short',
      '1 while the files that the process may open are running out.',
      () => (readings.openFilesShort() ? 1 : 0),
      'max',
    )
    new Gauge({
      name: 'sallyport_certificate_expiry_timestamp_seconds',
      help: 'When the certificate of this file ends, in seconds since 1970.',
      labelNames: ['file'],
      aggregator: 'min', // a worker may not have read the new one yet
      registers,
      collect() {
        this.reset()
        for (const { file, validTo } of readings.certificates()) this.set({ file }, validTo / 1000)
      },
    })
    new Gauge({
      name: 'sallyport_edges',
      help: 'Edges of relay.yml, of the store and of agents: those that serve, and those of the store that do not.',
      labelNames: ['state'],
      aggregator: 'max',
      registers,
      collect() {
        for (const [state, count] of Object.entries(readings.edges())) this.set({ state }, count)
      },
    })
    if (readings.lastReload) reloadGauges(registers, readings.lastReload)
    gauge('sallyport_visitor_sessions', 'Visitors that are signed in.', () => readings.visitorSessions(), 'max')
    gauge('sallyport_store_healthy', '1 while the store answers.', () => (readings.storeHealthy() ? 1 : 0), 'min')

    function gauge(name: string, help: string, read: () => number, aggregator: Aggregator = 'sum'): void {
      new Gauge({
        name,
        help,
        aggregator,
        registers,
        collect() {
          this.set(read())
        },
      })
    }
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  /** For a process that adds up several: AggregatorRegistry.aggregate() takes it. */
  json(): Promise<object> {
    return this.#registry.getMetricsAsJSON()
  }

  text(): Promise<string> {
    return this.#registry.metrics()
  }
}

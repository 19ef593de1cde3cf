// A relay of several processes. The supervisor serves no visitors: it starts the workers, answers the operator for all of them,
// and stops them in order.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { OperatorSocket } from '../admin/operator-socket.ts'
import { keep } from '../build/keep.ts'
import { openAdmin } from '../build/operator-doors.ts'
import { Readiness } from '../build/readiness.ts'
import type { Config } from '../config/config.ts'
import type { LogWish } from '../config/log-words.ts'
import { operatorSocketOf } from '../config/store-location.ts'
import type { Logger } from '../log.ts'
import type { LastReload, ReloadReport } from '../operator/reload.ts'
import type { EdgeChanges } from '../edge/configured-edges.ts'
import { claimPort } from './claim-port.ts'
import type { WorkerPlan } from './messages.ts'
import { WorkerMetrics } from './worker-metrics.ts'
import { Workers } from './workers.ts'

/** After the workers' own drain deadline, before they are killed. */
const CLOSE_GRACE_MS = 10_000

export interface StartSupervisorInit {
  workers: number
  /** The text of the configuration: each worker parses it itself. */
  source: WorkerPlan['config']
  log: Logger
  logWish: LogWish
  /** The supervisor's own log: each worker has its own. */
  logOutput: { readonly droppedLines: number }
  lastReload: LastReload
  /** As StartRelayInit has it. */
  reload?: () => Promise<ReloadReport>
}

export interface SupervisorAddresses {
  http?: number
  https?: number
  admin: number
}

/**
 * Starts every worker. If a step fails, everything that was open closes again, in reverse order.
 * @throws ConfigError if an address, a certificate, the store or the key cannot be used
 */
export async function startSupervisor(config: Config, init: StartSupervisorInit): Promise<Supervisor> {
  const startedAt = Date.now()
  const { log, logOutput, lastReload, reload } = init
  await using rooms = new AsyncDisposableStack()
  const readiness = new Readiness()
  const workers = new Workers({ count: init.workers, source: init.source, log, logWish: init.logWish })
  const metrics = new WorkerMetrics({
    measure: () => workers.measure(),
    serving: () => workers.serving,
    logLinesDropped: () => logOutput.droppedLines,
    restarts: () => workers.restarts,
    lastReload,
  })
  const notReady = (): string | undefined => readiness.problem ?? workers.problem
  const { port: admin } = await openAdmin(rooms, { config, metrics, notReady, log })
  // mkdtemp makes it for this user only: nobody else may reach the links.
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-'))
  rooms.defer(() => rm(folder, { recursive: true, force: true }))
  const { http, https } = config.listen
  const ports = {
    ...(http && { http: await claimPort('listen.http', http) }),
    ...(https && { https: await claimPort('listen.https', https) }),
  }
  rooms.defer(() => workers.kill())
  await workers.start(ports, folder)
  const addresses: SupervisorAddresses = { ...ports, admin }
  const listeners = shownPlaces(config, addresses)
  const operator = await OperatorSocket.open({
    path: operatorSocketOf(config.store.path),
    ask: (question) => workers.ask(question),
    facts: () => ({
      startedAt,
      isDraining: !readiness.isReady,
      problem: readiness.isReady ? workers.problem : undefined,
      publicUrl: config.public_url,
      listeners,
      storePath: config.store.path,
      workers: workers.described,
    }),
    ...(reload && { reload }),
    log,
  })
  keep(rooms, operator)
  readiness.begin('ready')
  const drainMs = config.timeouts.drain_seconds * 1000 + CLOSE_GRACE_MS
  return new Supervisor({ rooms: rooms.move(), readiness, workers, addresses, drainMs, log })
}

interface SupervisorInit {
  /** Everything that is open, in the order in which it opened. */
  rooms: AsyncDisposableStack
  readiness: Readiness
  workers: Workers
  addresses: SupervisorAddresses
  /** How long the workers may take to drain. */
  drainMs: number
  log: Logger
}

/** A relay of several processes that runs: startSupervisor() makes it. */
export class Supervisor {
  readonly addresses: SupervisorAddresses
  readonly #init: SupervisorInit
  #closing: Promise<void> | undefined

  /** Use `startSupervisor`. */
  constructor(init: SupervisorInit) {
    this.addresses = init.addresses
    this.#init = init
  }

  /** Stops in order: every worker drains; when none has an exchange left, agents and workers go. Idempotent. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  /** See Relay.reload(). */
  reload(source: WorkerPlan['config']): Promise<EdgeChanges> {
    return this.#init.workers.reload(source)
  }

  /** For an immediate end. */
  killWorkers(): void {
    this.#init.workers.kill()
  }

  async #close(): Promise<void> {
    const { rooms, readiness, workers, drainMs, log } = this.#init
    readiness.begin('draining')
    log.info('draining')
    const timer = setTimeout(() => {
      log.warn('workers did not end in time')
      workers.kill()
    }, drainMs)
    await workers.drain()
    clearTimeout(timer)
    await rooms.disposeAsync()
    log.info('stopped')
  }
}

/** As an operator reads them: hosts of the configuration, with the ports that are open. */
function shownPlaces(
  { listen }: Config,
  ports: SupervisorAddresses,
): Partial<Record<keyof SupervisorAddresses, string>> {
  const placeOf = (of: keyof SupervisorAddresses): object => {
    const { host = '*' } = listen[of] ?? {}
    return ports[of] === undefined ? {} : { [of]: `${host.includes(':') ? `[${host}]` : host}:${ports[of]}` }
  }
  return { ...placeOf('http'), ...placeOf('https'), ...placeOf('admin') }
}

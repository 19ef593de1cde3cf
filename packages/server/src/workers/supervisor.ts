// A relay of several processes. The supervisor serves no visitors: it starts the workers, restarts workers that end
// unasked, keeps the directory of tunnels, answers the operator for all of them, and stops them in order.

import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { AdminListener } from '../admin/admin-listener.ts'
import { OperatorSocket } from '../admin/operator-socket.ts'
import type { Config, ListenAddress } from '../config/config.ts'
import type { LogWish } from '../config/log-words.ts'
import { operatorSocketOf } from '../config/store-location.ts'
import { ConfigError } from '../errors.ts'
import { listen } from '../listener/listen.ts'
import type { Logger } from '../log.ts'
import type { Directory } from '../node/directory.ts'
import { DirectoryTable } from '../node/directory-table.ts'
import type { Answers, Question } from '../operator/questions.ts'
import type { RelayFacts } from '../operator/relay-status.ts'
import type { FromWorker, ToWorker, WorkerPlan } from './messages.ts'
import { WorkerMetrics } from './worker-metrics.ts'
import { WorkerProcess } from './worker-process.ts'

/** For a worker's metrics, and its answers to the operator. */
const ANSWER_DEADLINE_MS = 2000
/** After the workers' own drain deadline, before they are killed. */
const CLOSE_GRACE_MS = 10_000

export interface SupervisorOptions {
  workers: number
  /** The text of the configuration: each worker parses it itself. */
  source: WorkerPlan['config']
  log: Logger
  logWish: LogWish
  /** The supervisor's own log: each worker has its own. */
  logOutput: { readonly droppedLines: number }
}

export interface SupervisorAddresses {
  http?: number
  https?: number
  admin: number
}

interface Seat {
  directory: Directory
  process: WorkerProcess
}

export class Supervisor {
  readonly #config: Config
  readonly #options: SupervisorOptions
  readonly #seats: Seat[] = []
  readonly #secret = randomBytes(32).toString('base64')
  /** Callbacks that wait for a message of a worker. */
  readonly #asking = new Map<number, (answer: object | undefined) => void>()
  readonly #admin: AdminListener
  readonly #startedAt = Date.now()
  #operator: OperatorSocket | undefined
  #folder: string | undefined
  #addresses: SupervisorAddresses | undefined
  #asked = 0
  #notReady: string | undefined = 'starting'
  #closing: Promise<void> | undefined

  /** Starts every worker. @throws ConfigError if an address, a certificate, the store or the key cannot be used */
  static async start(config: Config, options: SupervisorOptions): Promise<Supervisor> {
    const supervisor = new Supervisor(config, options)
    try {
      await supervisor.#start()
    } catch (error) {
      await supervisor.destroy()
      throw error
    }
    return supervisor
  }

  /** Use `Supervisor.start`. */
  constructor(config: Config, options: SupervisorOptions) {
    this.#config = config
    this.#options = options
    const metrics = new WorkerMetrics({
      measure: () => this.#measure(),
      serving: () => this.#serving.length,
      logLinesDropped: () => options.logOutput.droppedLines,
      restarts: () => this.#seats.reduce((sum, { process }) => sum + process.restarts, 0),
    })
    this.#admin = new AdminListener({
      address: config.listen.admin,
      hosts: config.listen.admin_hosts,
      metrics,
      notReady: () => this.#notReady ?? this.#whyWorkersAreNot(),
      log: options.log,
    })
  }

  /** @throws before start() has finished */
  get addresses(): SupervisorAddresses {
    if (!this.#addresses) throw new Error('the relay has not started')
    return this.#addresses
  }

  /** Stops in order: every worker drains; when none has an exchange left, agents and workers go. Idempotent. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  /** Stops at once. Safe in every state. */
  async destroy(): Promise<void> {
    this.#notReady = 'stopping'
    this.killWorkers()
    await this.#end()
  }

  /** For an immediate end. */
  killWorkers(): void {
    for (const { process } of this.#seats) process.kill()
  }

  get #serving(): Seat[] {
    return this.#seats.filter(({ process }) => process.isServing)
  }

  #whyWorkersAreNot(): string | undefined {
    if (this.#serving.length === 0) return 'no worker serves'
    return this.#serving.map(({ process }) => process.storeLoss).find((loss) => loss !== undefined)
  }

  async #start(): Promise<void> {
    const { listen: addresses } = this.#config
    const { port: admin } = await listen(this.#admin, 'listen.admin', addresses.admin)
    // mkdtemp makes it for this user only: nobody else may reach the links.
    this.#folder = await mkdtemp(join(tmpdir(), 'sallyport-'))
    const ports = {
      ...(addresses.http && { http: await claimPort('listen.http', addresses.http) }),
      ...(addresses.https && { https: await claimPort('listen.https', addresses.https) }),
    }
    const nodeIds = Array.from({ length: this.#options.workers }, () => `nod_${randomUUID()}`)
    const table = new DirectoryTable(nodeIds)
    for (const [index, nodeId] of nodeIds.entries()) {
      const directory = table.at(nodeId)
      const plan = { number: index + 1, nodeId, nodeIds, ports }
      this.#seats.push({ directory, process: this.#makeProcess(plan, directory, this.#folder) })
    }
    // The first one makes the key and the store if they are missing, and reports problems once.
    const [first, ...others] = this.#seats
    await first?.process.start()
    await Promise.all(others.map(({ process }) => process.start()))
    this.#addresses = { ...ports, admin }
    this.#operator = await OperatorSocket.open({
      path: operatorSocketOf(this.#config.store.path),
      ask: (question) => this.#ask(question),
      facts: () => this.#facts(),
      log: this.#options.log,
    })
    this.#notReady = undefined
  }

  #makeProcess(
    plan: Pick<WorkerPlan, 'number' | 'nodeId' | 'nodeIds' | 'ports'>,
    directory: Directory,
    folder: string,
  ): WorkerProcess {
    let starts = 0
    const worker: WorkerProcess = new WorkerProcess(plan.number, {
      log: this.#options.log,
      plan: () => ({
        ...plan,
        config: this.#options.source,
        log: this.#options.logWish,
        link: join(folder, `${plan.number}-${++starts}.sock`), // not the path of a killed worker's file
        secret: this.#secret,
      }),
      onMessage: (message) => this.#receive(message, worker, directory),
      onEnd: () => {
        directory.leave()
        this.#tellWhenFinished()
      },
    })
    return worker
  }

  #receive(message: FromWorker, from: WorkerProcess, directory: Directory): void {
    switch (message.type) {
      case 'joined':
        return directory.join(message.link, (event) => from.send({ type: 'heard', event }))
      case 'told':
        return directory.tell(message.change)
      case 'left':
        return directory.leave()
      case 'attempted':
        for (const { process } of this.#seats) if (process !== from) process.send(message)
        return
      case 'measured':
        return this.#asking.get(message.id)?.(message.metrics)
      case 'answered':
        return this.#asking.get(message.id)?.(message.answer)
      case 'finished':
        return this.#tellWhenFinished()
      case 'started':
      case 'refused':
      case 'store_loss':
        return // the worker's own process handles them
    }
  }

  /** Exchanges of one worker may use agents of another: no worker releases its agents before. */
  #tellWhenFinished(): void {
    if (!this.#closing || !this.#seats.every(({ process }) => process.isFinished)) return
    for (const { process } of this.#seats) process.send({ type: 'all_finished' })
  }

  async #measure(): Promise<object[]> {
    return (await this.#askAll((id) => ({ type: 'measure', id }))).answers
  }

  async #ask<Of extends Question['of']>(
    question: Extract<Question, { of: Of }>,
  ): Promise<{ answers: Answers[Of][]; silent: number }> {
    const { answers, silent } = await this.#askAll((id) => ({ type: 'ask', id, question }))
    return { answers: answers as Answers[Of][], silent } // a worker is this program, and answers what it was asked
  }

  /** The answers of serving workers that come in time, and the number of missing ones. */
  async #askAll(words: (id: number) => ToWorker): Promise<{ answers: object[]; silent: number }> {
    const asked = this.#serving.map(({ process }) => {
      const id = ++this.#asked
      const { promise, resolve } = Promise.withResolvers<object | undefined>()
      this.#asking.set(id, resolve)
      const timer = setTimeout(() => resolve(undefined), ANSWER_DEADLINE_MS)
      process.send(words(id))
      return promise.finally(() => {
        clearTimeout(timer)
        this.#asking.delete(id)
      })
    })
    const answers = (await Promise.all(asked)).filter((answer) => answer !== undefined)
    return { answers, silent: asked.length - answers.length }
  }

  #facts(): RelayFacts {
    const { public_url: publicUrl, listen: addresses, store } = this.#config
    const ports = this.addresses
    const placeOf = (of: 'http' | 'https' | 'admin'): object => {
      const { host = '*' } = addresses[of] ?? {}
      return ports[of] === undefined ? {} : { [of]: `${host.includes(':') ? `[${host}]` : host}:${ports[of]}` }
    }
    const isDraining = this.#notReady !== undefined
    return {
      startedAt: this.#startedAt,
      isDraining,
      problem: isDraining ? undefined : this.#whyWorkersAreNot(),
      publicUrl,
      listeners: { ...placeOf('http'), ...placeOf('https'), ...placeOf('admin') },
      storePath: store.path,
      workers: this.#seats.map(({ process }) => process.described),
    }
  }

  async #close(): Promise<void> {
    this.#notReady = 'draining'
    this.#options.log.info('draining')
    const deadlineMs = this.#config.timeouts.drain_seconds * 1000 + CLOSE_GRACE_MS
    const timer = setTimeout(() => {
      this.#options.log.warn('workers did not end in time')
      this.killWorkers()
    }, deadlineMs)
    await Promise.resolve() // from here on #closing is set
    for (const { process } of this.#seats) process.drain()
    await Promise.all(this.#seats.map(({ process }) => process.gone))
    clearTimeout(timer)
    await this.#end()
    this.#options.log.info('stopped')
  }

  async #end(): Promise<void> {
    await this.#operator?.close()
    await this.#admin.close()
    if (this.#folder !== undefined) await rm(this.#folder, { recursive: true, force: true })
  }
}

/**
 * Checks that no other process listens at an address; the workers, which share it, could not notice.
 * @returns the port, chosen by the system if it was 0
 */
async function claimPort(path: string, address: ListenAddress): Promise<number> {
  const server = createServer()
  const claimed = await listen(
    {
      listen: () =>
        new Promise<AddressInfo>((resolve, reject) => {
          server.once('error', reject)
          server.listen({ ...address, exclusive: true }, () => resolve(server.address() as AddressInfo)) // on a port
        }),
    },
    path,
    address,
  )
  await new Promise((resolve) => server.close(resolve))
  await refuseWithoutSharing({ ...address, port: claimed.port })
  return claimed.port
}

async function refuseWithoutSharing(address: ListenAddress): Promise<void> {
  const server = createServer()
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ ...address, reusePort: true }, resolve)
    })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOTSUP') throw error // net only rejects with these
    const message = 'this system cannot share a port between processes (SO_REUSEPORT); use 1 worker'
    throw new ConfigError([{ path: 'workers', message }], { cause: error })
  } finally {
    await new Promise((resolve) => server.close(resolve))
  }
}

// The worker processes of a relay: restarts workers that end unasked, passes messages between them (the directory of tunnels,
// attempts and requests that count everywhere, the end of the last exchange), and asks all of them for the operator.

import { randomBytes, randomUUID } from 'node:crypto'
import { join } from 'node:path'

import type { LogWish } from '../config/log-words.ts'
import { ConfigError } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { Directory } from '../node/directory.ts'
import { DirectoryTable } from '../node/directory-table.ts'
import type { Answers, Question } from '../operator/questions.ts'
import type { EdgeChanges } from '../edge/configured-edges.ts'
import type { WorkerResource } from '../operator/resources.ts'
import type { FromWorker, ReloadOutcome, ToWorker, WorkerPlan } from './messages.ts'
import { WorkerProcess } from './worker-process.ts'

/** For a worker's metrics, and its answers to the operator. */
const ANSWER_DEADLINE_MS = 2000
/** Enough to read thousands of edges on a busy machine. */
const RELOAD_DEADLINE_MS = 20_000

export interface WorkersInit {
  /** How many. */
  count: number
  /** The text of the configuration: each worker parses it itself. */
  source: WorkerPlan['config']
  log: Logger
  logWish: LogWish
}

/** Nobody waits for the answer with this number. */
const NOBODY = 0

interface Seat {
  directory: Directory
  process: WorkerProcess
}

export class Workers {
  readonly #init: WorkersInit
  readonly #seats: Seat[] = []
  readonly #secret = randomBytes(32).toString('base64')
  /** Callbacks that wait for a message of a worker. */
  readonly #asking = new Map<number, (answer: object | undefined) => void>()
  /** The text of the configuration that counts now. */
  #source: WorkerPlan['config']
  #asked = 0
  #isDraining = false

  constructor(init: WorkersInit) {
    this.#init = init
    this.#source = init.source
  }

  /**
   * Starts all of them; resolves when they serve.
   * @param folder for the sockets of their links, which nobody but this user may reach
   * @throws ConfigError if one of them cannot serve
   */
  async start(ports: WorkerPlan['ports'], folder: string): Promise<void> {
    const nodeIds = Array.from({ length: this.#init.count }, () => `nod_${randomUUID()}`)
    const table = new DirectoryTable(nodeIds)
    for (const [index, nodeId] of nodeIds.entries()) {
      const directory = table.at(nodeId)
      const plan = { number: index + 1, nodeId, nodeIds, ports }
      this.#seats.push({ directory, process: this.#makeProcess(plan, directory, folder) })
    }
    // The first one makes the key and the store if they are missing, and reports problems once.
    const [first, ...others] = this.#seats
    await first?.process.start()
    await Promise.all(others.map(({ process }) => process.start()))
  }

  /** The number of workers that serve. */
  get serving(): number {
    return this.#serving.length
  }

  get restarts(): number {
    return this.#seats.reduce((sum, { process }) => sum + process.restarts, 0)
  }

  /** Why the relay should get no visitors, or cannot save in the store; undefined if all is well. */
  get problem(): string | undefined {
    if (this.serving === 0) return 'no worker serves'
    return this.#serving.map(({ process }) => process.storeLoss).find((loss) => loss !== undefined)
  }

  /** For the operator. */
  get described(): WorkerResource[] {
    return this.#seats.map(({ process }) => process.described)
  }

  /** Drains all of them; when none has an exchange left, agents and workers go. Resolves when they are gone. */
  async drain(): Promise<void> {
    this.#isDraining = true
    for (const { process } of this.#seats) process.drain()
    await Promise.all(this.#seats.map(({ process }) => process.gone))
  }

  /** Ends all of them at once. */
  kill(): void {
    for (const { process } of this.#seats) process.kill()
  }

  /** The metrics of each worker that answers in time. */
  async measure(): Promise<object[]> {
    return (await this.#askAll((id) => ({ type: 'measure', id }))).answers
  }

  /** Asks every worker. */
  async ask<Of extends Question['of']>(
    question: Extract<Question, { of: Of }>,
  ): Promise<{ answers: Answers[Of][]; silent: number }> {
    const { answers, silent } = await this.#askAll((id) => ({ type: 'ask', id, question }))
    return { answers: answers as Answers[Of][], silent } // a worker is this program, and its answers fit the questions
  }

  /**
   * Has every worker take over the edges of another text of the configuration, also those that start later. One worker is
   * asked first: if it refuses, no other is asked.
   * @throws ConfigError with its problems
   */
  async reload(source: WorkerPlan['config']): Promise<EdgeChanges> {
    const [first, ...others] = this.#serving
    if (!first) throw new ConfigError([{ path: 'workers', message: 'no worker serves at the moment; try again' }])
    const changes = await this.#reloadOne(first, source)
    this.#source = source
    const outcomes = await Promise.allSettled(others.map((seat) => this.#reloadOne(seat, source)))
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
    return changes
  }

  async #reloadOne({ process }: Seat, config: WorkerPlan['config']): Promise<EdgeChanges> {
    const answer = await this.#askOne(process, (id) => ({ type: 'reload', id, config }), RELOAD_DEADLINE_MS)
    if (!answer) {
      const message = `worker ${process.number} has not answered; it may still have the old edges, so try again`
      throw new ConfigError([{ path: 'workers', message }])
    }
    const outcome = answer as ReloadOutcome // a worker is this program, and its answers fit the questions
    if ('problems' in outcome) throw new ConfigError(outcome.problems)
    return outcome.edges
  }

  get #serving(): Seat[] {
    return this.#seats.filter(({ process }) => process.isServing)
  }

  #makeProcess(
    plan: Pick<WorkerPlan, 'number' | 'nodeId' | 'nodeIds' | 'ports'>,
    directory: Directory,
    folder: string,
  ): WorkerProcess {
    let starts = 0
    let source = this.#source
    const worker: WorkerProcess = new WorkerProcess(plan.number, {
      log: this.#init.log,
      plan: () => ({
        ...plan,
        config: (source = this.#source),
        log: this.#init.logWish,
        link: join(folder, `${plan.number}-${++starts}.sock`), // not the path of a killed worker's file
        secret: this.#secret,
      }),
      onMessage: (message) => {
        // It started with the text from before.
        if (message.type === 'started' && source !== this.#source)
          worker.send({ type: 'reload', id: NOBODY, config: this.#source })
        this.#receive(message, worker, directory)
      },
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
      case 'passed':
        for (const { process } of this.#seats) if (process !== from) process.send(message)
        return
      case 'measured':
        return this.#asking.get(message.id)?.(message.metrics)
      case 'answered':
        return this.#asking.get(message.id)?.(message.answer)
      case 'reloaded':
        return this.#asking.get(message.id)?.(message.outcome)
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
    if (!this.#isDraining || !this.#seats.every(({ process }) => process.isFinished)) return
    for (const { process } of this.#seats) process.send({ type: 'all_finished' })
  }

  /** The answers of serving workers that come in time, and the number of missing ones. */
  async #askAll(words: (id: number) => ToWorker): Promise<{ answers: object[]; silent: number }> {
    const asked = this.#serving.map(({ process }) => this.#askOne(process, words, ANSWER_DEADLINE_MS))
    const answers = (await Promise.all(asked)).filter((answer) => answer !== undefined)
    return { answers, silent: asked.length - answers.length }
  }

  /** Undefined if no answer comes in time. */
  #askOne(process: WorkerProcess, words: (id: number) => ToWorker, deadlineMs: number): Promise<object | undefined> {
    const id = ++this.#asked
    const { promise, resolve } = Promise.withResolvers<object | undefined>()
    this.#asking.set(id, resolve)
    const timer = setTimeout(() => resolve(undefined), deadlineMs)
    process.send(words(id))
    return promise.finally(() => {
      clearTimeout(timer)
      this.#asking.delete(id)
    })
  }
}

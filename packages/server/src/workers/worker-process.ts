// One worker as the supervisor sees it: a child process, restarted when it ends unasked, and its messages.
//
//   starting ──started──▶ serving ──finished──▶ finished ──▶ gone
//       └────────── ends unasked ──▶ waiting ──backoff──▶ starting

import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'

import { ConfigError } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { WorkerResource } from '../operator/resources.ts'
import type { FromWorker, ToWorker, WorkerPlan } from './messages.ts'

const BACKOFF_FIRST_MS = 250
const BACKOFF_LAST_MS = 30_000
const STABLE_MS = 30_000 // a worker that has run for this time is restarted at once

type State = 'starting' | 'serving' | 'finished' | 'waiting' | 'gone'

const SHOWN: Record<State, WorkerResource['state']> = {
  starting: 'starting',
  serving: 'serving',
  finished: 'draining',
  waiting: 'waiting',
  gone: 'ended',
}

export interface WorkerProcessInit {
  log: Logger
  /** The plan for the next start: each has a link of its own. */
  plan: () => WorkerPlan
  onMessage: (message: FromWorker) => void
  /** It has ended, asked or not. */
  onEnd: () => void
}

export class WorkerProcess {
  readonly number: number
  /** How often it has been restarted. */
  restarts = 0
  /** Why it cannot save in the store. */
  storeLoss: string | undefined
  readonly #init: WorkerProcessInit
  #child: ChildProcess | undefined
  #state: State = 'starting'
  #isStopping = false
  #backoffMs = BACKOFF_FIRST_MS
  #timer: NodeJS.Timeout | undefined
  readonly #gone = Promise.withResolvers<void>()

  constructor(number: number, init: WorkerProcessInit) {
    this.number = number
    this.#init = init
  }

  get isServing(): boolean {
    return this.#state === 'serving'
  }

  /** For the operator. */
  get described(): WorkerResource {
    const pid = this.#child?.pid
    return {
      number: this.number,
      ...(pid !== undefined && { pid }),
      state: this.#isStopping && this.#state !== 'gone' ? 'draining' : SHOWN[this.#state],
      restarts: this.restarts,
    }
  }

  /** Whether it has no exchange under way and will have none. */
  get isFinished(): boolean {
    return this.#state === 'finished' || this.#state === 'gone' || this.#state === 'waiting'
  }

  /** Starts it for the first time. @throws ConfigError with its reason if it cannot serve */
  start(): Promise<void> {
    const started = Promise.withResolvers<void>()
    this.#run(started)
    return started.promise
  }

  send(message: ToWorker): void {
    this.#child?.send(message, () => {}) // a worker that has ended reports it by itself
  }

  /** Drains it, if it runs. `onEnd` and `gone` follow. */
  drain(): void {
    this.#isStopping = true
    clearTimeout(this.#timer)
    if (this.#child && this.#state === 'serving') this.send({ type: 'drain' })
    else this.kill()
  }

  kill(): void {
    this.#isStopping = true
    clearTimeout(this.#timer)
    if (this.#child) this.#child.kill('SIGKILL')
    else this.#leave()
  }

  get gone(): Promise<void> {
    return this.#gone.promise
  }

  #run(started?: PromiseWithResolvers<void>): void {
    const { log, onMessage, plan } = this.#init
    const since = performance.now()
    this.#state = 'starting'
    // The file beside this one: .ts in the repository, .js in dist.
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
    const child = fork(new URL(`./worker-main.${extension}`, import.meta.url), {
      execArgv: [], // ours may say --eval or --inspect, which are not meant for it
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    this.#child = child
    child.on('error', (error) => log.error({ worker: this.number, err: error }, 'worker cannot be started'))
    child.on('message', (message: FromWorker) => {
      if (message.type === 'started') {
        this.#state = 'serving'
        log.info({ worker: this.number, pid: child.pid }, 'worker started')
        started?.resolve()
      } else if (message.type === 'refused') {
        const refusal = new ConfigError(message.problems)
        if (!started) log.error({ worker: this.number, reason: refusal.message }, 'worker cannot serve')
        started?.reject(refusal)
        child.disconnect()
      } else if (message.type === 'finished') this.#state = 'finished'
      else if (message.type === 'store_loss') this.storeLoss = message.reason
      onMessage(message)
    })
    child.once('exit', (code, signal) => {
      this.#child = undefined
      this.storeLoss = undefined
      started?.reject(new Error(`worker ${this.number} ended while it started (${signal ?? code})`))
      if (this.#isStopping) return this.#leave()
      if (started && this.#state === 'starting') return this.#leave() // started was rejected: the caller gives up
      if (performance.now() - since > STABLE_MS) this.#backoffMs = BACKOFF_FIRST_MS
      log.error({ worker: this.number, code, signal, restartInMs: this.#backoffMs }, 'worker ended')
      this.#state = 'waiting'
      this.#init.onEnd()
      this.#timer = setTimeout(() => {
        this.restarts++
        this.#run()
      }, this.#backoffMs)
      this.#backoffMs = Math.min(this.#backoffMs * 2, BACKOFF_LAST_MS)
    })
    this.send({ type: 'start', plan: plan() })
  }

  #leave(): void {
    if (this.#state === 'gone') return
    this.#state = 'gone'
    this.#init.onEnd()
    this.#gone.resolve()
  }
}

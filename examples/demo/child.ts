// One child process of the demo: started, watched line by line, and ended.

import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

const END_DEADLINE_MS = 5000
const RECENT_LINES = 20

export interface ChildOptions {
  name: string
  args: readonly string[]
  env: NodeJS.ProcessEnv
  /** Called when the process ends without having been told to. */
  onDeath: (death: Death) => void
  /** Called with each message of the process, which has a channel only if this is given. */
  onMessage?: (message: unknown) => void
}

export interface Death {
  /** Undefined if a signal ended it. */
  code: number | undefined
  lastLines: readonly string[]
}

export class Child {
  readonly name: string
  readonly pid: number
  readonly #process: ChildProcess
  readonly #recent: string[] = []
  readonly #listeners = new Set<(line: string) => void>()
  #isEnding = false

  constructor({ name, args, env, onDeath, onMessage }: ChildOptions) {
    this.name = name
    // A process group of its own: Ctrl-C reaches the demo alone, which then ends its children in order.
    this.#process = spawn(process.execPath, args, {
      env,
      stdio: ['ignore', 'pipe', 'pipe', ...(onMessage ? (['ipc'] as const) : [])],
      detached: true,
    })
    this.pid = this.#process.pid ?? 0
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      if (stream) createInterface({ input: stream }).on('line', (line) => this.#onLine(line))
    }
    if (onMessage) this.#process.on('message', onMessage)
    this.#process.once('close', (code) => {
      if (!this.#isEnding) onDeath({ code: code ?? undefined, lastLines: this.#recent })
    })
  }

  get isRunning(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null
  }

  /** Calls `listener` for every line the process prints. */
  onLine(listener: (line: string) => void): void {
    this.#listeners.add(listener)
  }

  /** Resolves with the first line that `test` accepts. */
  waitFor(test: (line: string) => boolean): Promise<string> {
    return new Promise((resolve) => {
      const listener = (line: string): void => {
        if (!test(line)) return
        this.#listeners.delete(listener)
        resolve(line)
      }
      this.#listeners.add(listener)
    })
  }

  /** For a process with a channel. Does nothing if the process has ended. */
  send(message: object): void {
    if (this.#process.connected) this.#process.send(message, () => {})
  }

  /** SIGTERM, and SIGKILL if that does not help. Resolves when the process is gone. */
  async end(): Promise<void> {
    this.#isEnding = true
    if (!this.isRunning) return
    const gone = once(this.#process, 'close')
    this.#process.kill('SIGTERM')
    const timer = setTimeout(() => this.kill(), END_DEADLINE_MS)
    await gone
    clearTimeout(timer)
  }

  /** Ends it at once. */
  kill(): void {
    this.#isEnding = true
    if (this.isRunning) this.#process.kill('SIGKILL')
  }

  #onLine(line: string): void {
    this.#recent.push(line)
    if (this.#recent.length > RECENT_LINES) this.#recent.shift()
    for (const listener of this.#listeners) listener(line)
  }
}

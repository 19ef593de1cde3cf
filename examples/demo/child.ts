// One child process of the demo: started, watched line by line, and ended.

import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

const END_DEADLINE_MS = 5000

export class Child {
  readonly name: string
  readonly #process: ChildProcess
  readonly #recent: string[] = []
  readonly #listeners = new Set<(line: string) => void>()
  #isEnding = false

  /** @param onDeath called when the process ends without having been told to; with its last lines */
  constructor(name: string, args: readonly string[], env: NodeJS.ProcessEnv, onDeath: (lines: string[]) => void) {
    this.name = name
    // A process group of its own: Ctrl-C reaches the demo alone, which then ends its children in order.
    this.#process = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      if (stream) createInterface({ input: stream }).on('line', (line) => this.#onLine(line))
    }
    this.#process.once('close', () => {
      if (!this.#isEnding) onDeath(this.#recent)
    })
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

  /** SIGTERM, and SIGKILL where that does not help. Resolves when the process is gone. */
  async end(): Promise<void> {
    this.#isEnding = true
    const child = this.#process
    if (child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'close')
    child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), END_DEADLINE_MS)
    await gone
    clearTimeout(timer)
  }

  #onLine(line: string): void {
    this.#recent.push(line)
    if (this.#recent.length > 20) this.#recent.shift()
    for (const listener of this.#listeners) listener(line)
  }
}

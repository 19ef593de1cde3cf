// A terminal without a screen, for Ctrl-C to all processes in the foreground, a width, and a hang-up. It is made by
// `script`, which every Linux has. All its processes have a mark in their environment, so that remaining ones can be
// found even if their parent has changed.

import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, readdirSync } from 'node:fs'
import { stripVTControlCharacters } from 'node:util'

const DEADLINE_MS = 90_000 // for a machine that is busy with other things
const LOOK_MS = 20 // a process list has no events
const MARK = 'PSEUDO_TERMINAL'

export interface MarkedProcess {
  pid: number
  command: string
}

export class PseudoTerminal {
  /**
   * Resolves with the exit code when the process in the foreground has ended, or with null if the terminal was hung up.
   */
  readonly exited: Promise<number | null>
  readonly #mark = randomUUID()
  readonly #script: ChildProcess
  #text = ''
  #hasEnded = false

  /** @param command for the shell */
  constructor(command: string, options: { cwd: string; env?: NodeJS.ProcessEnv; columns?: number; rows?: number }) {
    const { cwd, env, columns = 80, rows = 24 } = options
    this.#script = spawn('script', ['-qefc', `stty cols ${columns} rows ${rows}; exec ${command}`, '/dev/null'], {
      cwd,
      env: { ...process.env, ...env, [MARK]: this.#mark },
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    this.#script.stdout?.setEncoding('utf8').on('data', (chunk: string) => (this.#text += chunk))
    this.#script.stdin?.on('error', () => {}) // a key pressed after the process has ended
    this.exited = once(this.#script, 'close').then(([code]) => {
      this.#hasEnded = true
      return code as number | null // as node:child_process documents
    })
  }

  /** The output so far, as a person reads it. */
  get text(): string {
    return stripVTControlCharacters(this.#text).replaceAll('\r', '')
  }

  /** The processes that run in it, or were started from it and still run. */
  get processes(): MarkedProcess[] {
    const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
    return pids.flatMap((pid) => {
      try {
        if (!readFileSync(`/proc/${pid}/environ`, 'latin1').includes(`${MARK}=${this.#mark}`)) return []
        return {
          pid: Number(pid),
          command: readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ').trim(),
        }
      } catch {
        return [] // ended, or of another user
      }
    })
  }

  /** Receives all later output, control codes included. */
  onData(listener: (text: string) => void): void {
    this.#script.stdout?.on('data', listener)
  }

  press(keys: string): void {
    this.#script.stdin?.write(keys)
  }

  /** As if its window were closed. */
  hangUp(): void {
    this.#script.kill('SIGKILL')
  }

  /** Reads until the pattern appears. @throws if all processes have ended without it */
  async read(pattern: RegExp): Promise<RegExpExecArray> {
    return this.#until(`${pattern} is printed`, () => pattern.exec(this.text) ?? undefined)
  }

  /** Waits until a process of this command runs. */
  async sees(command: RegExp): Promise<MarkedProcess> {
    return this.#until(`there is a process ${command}`, () => this.processes.find((each) => command.test(each.command)))
  }

  /** Resolves when no process is left. */
  async isEmpty(): Promise<void> {
    await this.#until('nothing is left', () => this.processes.length === 0 || undefined)
  }

  async #until<T>(what: string, look: () => T | undefined): Promise<T> {
    const deadline = AbortSignal.timeout(DEADLINE_MS)
    for (;;) {
      const isLast = deadline.aborted || (this.#hasEnded && this.processes.length === 0)
      const found = look()
      if (found !== undefined) return found
      if (isLast) throw new Error(`not seen that ${what}; there is ${JSON.stringify(this.processes)}\n${this.text}`)
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
    }
  }

  /** Ends all its processes, by their ids, if a test has failed. */
  async close(): Promise<void> {
    for (const { pid } of this.processes) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // has ended meanwhile
      }
    }
    await this.exited
  }
}

// A terminal without a screen, for what only a terminal does: Ctrl-C to everybody in front, a width, a hang-up. It is made
// by `script`, which every Linux has. Everything that runs in it bears a mark in its environment, so that what is left
// behind can be found, whoever its parent is by now.

import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, readdirSync } from 'node:fs'
import { stripVTControlCharacters } from 'node:util'

const DEADLINE_MS = 90_000 // for a machine that is busy with other things
const LOOK_MS = 20 // what a process list says comes with no event
const MARK = 'PSEUDO_TERMINAL'

export interface MarkedProcess {
  pid: number
  command: string
}

export class PseudoTerminal {
  /** Resolves with the exit code when what runs in front has ended, or with null where the terminal was hung up. */
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
    this.#script.stdin?.on('error', () => {}) // a key that was pressed when nobody was there any more
    this.exited = once(this.#script, 'close').then(([code]) => {
      this.#hasEnded = true
      return code as number | null // as node:child_process documents
    })
  }

  /** What a person would have read so far. */
  get text(): string {
    return stripVTControlCharacters(this.#text).replaceAll('\r', '')
  }

  /** What runs here, or was started from here and is still there. */
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
        return [] // gone, or somebody else's
      }
    })
  }

  /** Hears what is written from here on, codes and all. */
  onData(listener: (text: string) => void): void {
    this.#script.stdout?.on('data', listener)
  }

  press(keys: string): void {
    this.#script.stdin?.write(keys)
  }

  /** As when its window is closed. */
  hangUp(): void {
    this.#script.kill('SIGKILL')
  }

  /** Reads on until the pattern is there. @throws where all has ended without it */
  async read(pattern: RegExp): Promise<RegExpExecArray> {
    return this.#until(`${pattern} is printed`, () => pattern.exec(this.text) ?? undefined)
  }

  /** Looks until there is a process of this command. */
  async sees(command: RegExp): Promise<MarkedProcess> {
    return this.#until(`there is a process ${command}`, () => this.processes.find((each) => command.test(each.command)))
  }

  /** Resolves when nothing is left. */
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

  /** Ends all of it, by process id, where a test has failed. */
  async close(): Promise<void> {
    for (const { pid } of this.processes) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // gone meanwhile
      }
    }
    await this.exited
  }
}

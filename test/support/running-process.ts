// One child process of a test: its lines are kept, waited for, and shown when something goes wrong.

import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'

import { asInstalled } from './as-installed.ts'

const WAIT_DEADLINE_MS = 30_000 // for a machine that is busy with other things
const SHOWN_LINES = 30

export interface Exit {
  code: number | null
  signal: NodeJS.Signals | null
}

/** One line of a JSON log, as far as tests look at it. */
export type LogEntry = { msg?: string } & Record<string, unknown>

export class RunningProcess {
  readonly name: string
  readonly pid: number
  /** Everything printed so far, standard output and standard error together. */
  readonly lines: string[] = []
  /** Standard output alone. */
  readonly output: string[] = []
  /** Standard error alone. */
  readonly errors: string[] = []
  /** Resolves when the process has ended and all its output is in `lines`. */
  readonly exited: Promise<Exit>
  readonly #process: ChildProcess
  readonly #waiting = new Set<() => void>()
  #exit: Exit | undefined

  /** @param openFiles how many it may have open; by default as many as the test itself */
  constructor(name: string, args: readonly string[], env: NodeJS.ProcessEnv, cwd?: string, openFiles?: number) {
    this.name = name
    const [command, ...words] =
      openFiles === undefined
        ? asInstalled(args)
        : ['sh', '-c', `ulimit -n ${openFiles}; exec "$@"`, 'sh', ...asInstalled(args)]
    this.#process = spawn(command, words, { env, stdio: ['ignore', 'pipe', 'pipe'], ...(cwd && { cwd }) })
    this.pid = this.#process.pid ?? 0
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      if (!stream) continue
      createInterface({ input: stream }).on('line', (line) => {
        this.lines.push(line)
        if (stream === this.#process.stdout) this.output.push(line)
        else this.errors.push(line)
        this.#look()
      })
    }
    this.exited = once(this.#process, 'close').then(([code, signal]) => {
      this.#exit = { code: code as number | null, signal: signal as NodeJS.Signals | null } // as node:child_process documents
      this.#look()
      return this.#exit
    })
  }

  get isRunning(): boolean {
    return this.#exit === undefined
  }

  /** Sends a signal to the process, by its id. */
  kill(signal: NodeJS.Signals): void {
    this.#process.kill(signal)
  }

  /** The lines that are JSON logs of ours, parsed. */
  get entries(): LogEntry[] {
    return this.lines.map(entryOf).filter((entry) => entry !== undefined)
  }

  /** The first line, past or to come, that `test` accepts. @throws if the process ends or the deadline passes first */
  waitForLine(what: string, test: (line: string) => boolean): Promise<string> {
    return this.waitFor(what, () => this.lines.find(test))
  }

  /**
   * The first log entry with these words, past or to come, that `test` accepts.
   * @param since how many lines to skip: `lines.length` before the action under test
   */
  waitForEntry(message: string, test: (entry: LogEntry) => boolean = () => true, since = 0): Promise<LogEntry> {
    let seen = since
    return this.waitFor(message, () => {
      // Each line is parsed once: a log under load has many.
      while (seen < this.lines.length) {
        const entry = entryOf(this.lines[seen++] ?? '')
        if (entry?.msg === message && test(entry)) return entry
      }
      return undefined
    })
  }

  /** Looks again after every line until `look` finds something. */
  async waitFor<T>(what: string, look: () => T | undefined): Promise<T> {
    const deadline = AbortSignal.timeout(WAIT_DEADLINE_MS)
    for (;;) {
      const found = look()
      if (found !== undefined) return found
      if (this.#exit)
        throw new Error(`${this.name} ended (${JSON.stringify(this.#exit)}) before: ${what}\n${this.tail}`)
      if (deadline.aborted) throw new Error(`${this.name} did not in time: ${what}\n${this.tail}`)
      await new Promise<void>((resolve) => {
        this.#waiting.add(resolve)
        deadline.addEventListener('abort', () => resolve(), { once: true })
      })
    }
  }

  /** The last lines, for error messages. */
  get tail(): string {
    return this.lines
      .slice(-SHOWN_LINES)
      .map((line) => `    ${line}`)
      .join('\n')
  }

  /** Resident memory in bytes, or undefined if the system has no /proc. */
  get residentBytes(): number | undefined {
    try {
      const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'))?.[1]
      return kilobytes === undefined ? undefined : Number(kilobytes) * 1024
    } catch {
      return undefined // not Linux, or gone
    }
  }

  #look(): void {
    for (const resolve of this.#waiting) resolve()
    this.#waiting.clear()
  }
}

function entryOf(line: string): LogEntry | undefined {
  if (!line.startsWith('{')) return undefined
  try {
    return JSON.parse(line) as LogEntry // every field is looked at as unknown
  } catch {
    return undefined // half a line of a killed process
  }
}

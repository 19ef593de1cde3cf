// What a person sees in a terminal: a program in a real pseudo-terminal, whose bytes a terminal emulator turns into a screen
// (@xterm/headless, the engine of VS Code's terminal). Tests compare the resulting screen, not the bytes that drew it.

import { spawnSync } from 'node:child_process'
import { readlinkSync } from 'node:fs'

import xterm from '@xterm/headless'

import { PseudoTerminal } from './pseudo-terminal.ts'
import { until } from '../until.ts'

export class Screen {
  readonly #terminal: PseudoTerminal
  readonly #emulator: InstanceType<typeof xterm.Terminal>
  /** Everything that the program wrote, as it wrote it. */
  bytes = ''

  /** @param command for the shell */
  constructor(command: string, options: { cwd: string; env?: NodeJS.ProcessEnv; columns: number; rows: number }) {
    const { columns, rows } = options
    this.#emulator = new xterm.Terminal({ cols: columns, rows, scrollback: 1000, allowProposedApi: true })
    this.#terminal = new PseudoTerminal(command, options)
    this.#terminal.onData((text) => {
      this.bytes += text
      this.#emulator.write(text)
    })
  }

  get exited(): Promise<number | null> {
    return this.#terminal.exited
  }

  /** All rows, including those scrolled out at the top, without empty ones at the end. */
  get text(): string {
    return this.#rowsFrom(0)
  }

  /** The same without the rows that have scrolled out. */
  get visible(): string {
    return this.#rowsFrom(this.#emulator.buffer.active.baseY)
  }

  press(keys: string): void {
    this.#terminal.press(keys)
  }

  /** As if a person dragged the corner of the window. */
  resize(columns: number, rows: number): void {
    this.#emulator.resize(columns, rows)
    const [program] = this.#terminal.processes.filter(({ command }) => !command.startsWith('script '))
    if (!program) throw new Error('nothing runs in the terminal')
    const tty = readlinkSync(`/proc/${program.pid}/fd/1`)
    spawnSync('stty', ['-F', tty, 'cols', String(columns), 'rows', String(rows)])
  }

  /** Resolves with the screen as soon as it shows the pattern. */
  async shows(pattern: RegExp): Promise<string> {
    try {
      await until(`the screen shows ${pattern}`, () => pattern.test(this.text))
    } catch (error) {
      throw new Error(`${(error as Error).message}; it shows\n${this.text}`, { cause: error }) // until() throws nothing else
    }
    return this.text
  }

  #rowsFrom(first: number): string {
    const { active } = this.#emulator.buffer
    const rows = Array.from({ length: active.length - first }, (_, index) => active.getLine(first + index))
    return rows
      .map((row) => row?.translateToString(true) ?? '')
      .join('\n')
      .trimEnd()
  }

  async close(): Promise<void> {
    await this.#terminal.close()
    this.#emulator.dispose()
  }
}

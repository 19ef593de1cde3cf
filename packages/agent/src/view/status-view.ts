// The calm view on a terminal: one block of lines, redrawn in place and only when a word of it changes. status-lines.ts
// has the words.

import type { AgentStatus } from '../agent.ts'
import { farewellOf, formatStatus } from './status-lines.ts'
import { widthOf } from './text-width.ts'

/** A terminal; process.stdout is one. */
export interface Terminal {
  write: (text: string) => unknown
  columns?: number
  rows?: number
}

const REDRAW_MS = 250
const CLEAR_LINE = '\u001b[K'
const CLEAR_BELOW = '\u001b[0J'
const HIDE_CURSOR = '\u001b[?25l'
const SHOW_CURSOR = '\u001b[?25h'

export class StatusView {
  readonly #terminal: Terminal
  readonly #status: () => AgentStatus
  readonly #now: () => number
  readonly #since: number
  readonly #timer: NodeJS.Timeout
  #drawn: readonly string[] = []
  /** Earlier lines above the top of a terminal that has become lower: they come back if it grows again. */
  #outOfReach: readonly string[] = []
  #size = ''
  #wasOnline = false
  #closed = false

  constructor(terminal: Terminal, status: () => AgentStatus, now: () => number = Date.now) {
    this.#terminal = terminal
    this.#status = status
    this.#now = now
    this.#since = now()
    this.#terminal.write(HIDE_CURSOR)
    this.draw()
    this.#timer = setInterval(() => this.draw(), REDRAW_MS)
  }

  /** Draws the parts that have changed since the last time, if any. */
  draw(): void {
    const { columns, rows } = this.#terminalSize()
    const size = `${columns} ${rows}`
    const status = this.#status()
    if (status.state === 'online') this.#wasOnline = true
    // One column is left free: a line that fills the last one wraps on some terminals. The cursor is below the view.
    const lines = formatStatus(status, this.#now(), Math.max(1, columns - 1), Math.max(1, rows - 1))
    const isSame = lines.length === this.#drawn.length && lines.every((line, index) => line === this.#drawn[index])
    if (isSame && size === this.#size) return
    const up = this.#reach(columns, rows)
    // From the first column, so that no ^C is left. Line by line: tmux keeps a copy of a screen that is cleared at
    // once.
    const text = lines.map((line) => `${CLEAR_LINE}${line}\n`).join('')
    this.#terminal.write(`${up > 0 ? `\u001b[${up}F` : ''}${text}${CLEAR_BELOW}`)
    this.#drawn = lines
    this.#size = size
  }

  #terminalSize(): { columns: number; rows: number } {
    return { columns: this.#terminal.columns || 80, rows: this.#terminal.rows || Infinity }
  }

  /** How many rows the drawn lines take now: a terminal that has become narrower has folded them. */
  #reach(columns: number, rows: number): number {
    const there = [...this.#outOfReach, ...this.#drawn]
    let up = 0
    let first = there.length
    while (first > 0) {
      const width = widthOf(there[first - 1]!) // one of them
      const taken = Math.max(1, Math.ceil(width / columns))
      if (up + taken >= rows) break
      up += taken
      first--
    }
    this.#outOfReach = there.slice(0, first)
    return up
  }

  /** Draws the last state, leaves it above the prompt, and adds a summary line. Idempotent. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    clearInterval(this.#timer)
    this.draw()
    const farewell = this.#wasOnline ? `\n${farewellOf(this.#status(), this.#now() - this.#since)}\n` : ''
    this.#terminal.write(`${farewell}${SHOW_CURSOR}`)
  }
}

// The calm view on a terminal: one block of lines, redrawn in place and only when a word of it changes.

import { stripVTControlCharacters, styleText } from 'node:util'

import type { AgentStatus } from '../agent.ts'

/** What a terminal offers; process.stdout is one. */
export interface Terminal {
  write: (text: string) => unknown
  columns?: number
  rows?: number
}

const REDRAW_MS = 250
const KEY_WIDTH = 20
/** Below this a value has no room beside its key, and says more alone. */
const KEYS_FROM_WIDTH = 30
const TITLE_LINES = 2
const CLEAR_LINE = '\u001b[K'
const CLEAR_BELOW = '\u001b[0J'
const HIDE_CURSOR = '\u001b[?25l'
const SHOW_CURSOR = '\u001b[?25h'

const STATES: Record<AgentStatus['state'], { text: string; color: 'green' | 'yellow' | 'gray' }> = {
  connecting: { text: 'connecting', color: 'yellow' },
  online: { text: 'online', color: 'green' },
  waiting: { text: 'reconnecting', color: 'yellow' },
  closing: { text: 'finishing running connections (press Ctrl+C again to end at once)', color: 'yellow' },
  closed: { text: 'closed', color: 'gray' },
}

export class StatusView {
  readonly #terminal: Terminal
  readonly #status: () => AgentStatus
  readonly #now: () => number
  readonly #timer: NodeJS.Timeout
  #drawn: readonly string[] = []
  /** Lines drawn before, above the top of a terminal that has become lower: they come back where it grows again. */
  #outOfReach: readonly string[] = []
  #size = ''
  #closed = false

  constructor(terminal: Terminal, status: () => AgentStatus, now: () => number = Date.now) {
    this.#terminal = terminal
    this.#status = status
    this.#now = now
    this.#terminal.write(HIDE_CURSOR)
    this.draw()
    this.#timer = setInterval(() => this.draw(), REDRAW_MS)
  }

  /** Draws what has changed since the last time, if anything has. */
  draw(): void {
    const { columns, rows } = this.#terminalSize()
    const size = `${columns} ${rows}`
    const lines = this.#linesFor(columns, rows)
    const isSame = lines.length === this.#drawn.length && lines.every((line, index) => line === this.#drawn[index])
    if (isSame && size === this.#size) return
    const up = this.#reach(columns, rows)
    // From the first column, in which no ^C stands. Line by line: of a screen that is cleared at once tmux keeps a copy.
    const text = lines.map((line) => `${CLEAR_LINE}${line}\n`).join('')
    this.#terminal.write(`${up > 0 ? `\u001b[${up}F` : ''}${text}${CLEAR_BELOW}`)
    this.#drawn = lines
    this.#size = size
  }

  #terminalSize(): { columns: number; rows: number } {
    return { columns: this.#terminal.columns || 80, rows: this.#terminal.rows || Infinity }
  }

  #linesFor(columns: number, rows: number): readonly string[] {
    // One column is left free: a line that fills the last one wraps on some terminals.
    const width = Math.max(1, columns - 1)
    const status = this.#status()
    // To be registered somewhere else, so all of it must be there.
    const whole = new Set(status.tunnels.map(({ redirectUri }) => redirectUri))
    const lines = formatStatus(status, this.#now(), width).flatMap((line) =>
      whole.has(line) ? foldLine(line, width) : [cutLine(line, width)],
    )
    // The cursor stands below, and what is above the top cannot be drawn over.
    return lines.length < rows ? lines : lines.slice(TITLE_LINES).slice(0, Math.max(1, rows - 1))
  }

  /** How many rows what has been drawn takes now: a terminal that has become narrower has folded its lines. */
  #reach(columns: number, rows: number): number {
    const there = [...this.#outOfReach, ...this.#drawn]
    let up = 0
    let first = there.length
    while (first > 0) {
      const { length } = stripVTControlCharacters(there[first - 1]!) // one of them
      const taken = Math.max(1, Math.ceil(length / columns))
      if (up + taken >= rows) break
      up += taken
      first--
    }
    this.#outOfReach = there.slice(0, first)
    return up
  }

  /** Draws the last state and leaves it standing above the prompt. Idempotent. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    clearInterval(this.#timer)
    this.draw()
    this.#terminal.write(SHOW_CURSOR)
  }
}

/** The lines of the view, longer ones than `width` among them, which only says how much room there is. */
export function formatStatus(status: AgentStatus, now: number, width = Infinity): string[] {
  const { state, relay, relayVersion, latencyMs, tunnels, sessions, connections, retryAt, notice } = status
  const wait = retryAt === undefined ? '' : ` in ${Math.max(0, Math.ceil((retryAt - now) / 1000))} s`
  const row = (key: string, value: string): string => (width < KEYS_FROM_WIDTH ? value : key.padEnd(KEY_WIDTH) + value)
  const lines = [
    styleText('bold', 'sallyport agent') + styleText('gray', '   (Ctrl+C to quit)'),
    '',
    row('Session Status', styleText(STATES[state].color, STATES[state].text + wait + countSessions(state, sessions))),
    row('Relay', relay + (relayVersion ? styleText('gray', ` (${relayVersion})`) : '')),
    row('Latency', latencyMs === undefined ? '-' : `${Math.round(latencyMs)} ms`),
  ]
  for (const { name, labels, forwardsTo, endpoints, redirectUri, health } of tunnels) {
    if (name) lines.push(row('Tunnel', name))
    const targets = endpoints.length > 0 ? endpoints : ['-']
    for (const [index, endpoint] of targets.entries()) {
      lines.push(row(index === 0 ? 'Forwarding' : '', `${endpoint} -> ${forwardsTo}`))
    }
    if (labels) lines.push(row('Labels', labels))
    // On a line of its own, which it fills on a narrow terminal: what is copied has no gap.
    if (redirectUri) lines.push(row('Redirect URI', 'to register at your identity provider:'), redirectUri)
    if (health) {
      const { healthy, detail } = health
      lines.push(row('Health', styleText(healthy ? 'green' : 'yellow', healthy ? 'healthy' : `unhealthy: ${detail}`)))
    }
  }
  lines.push(row('Connections', `${connections.total} served, ${connections.open} open`))
  if (notice) lines.push('', notice.level === 'warn' ? styleText('yellow', notice.text) : notice.text)
  return lines
}

/** One connection out of one is nothing to tell. */
function countSessions(state: AgentStatus['state'], { wanted, online }: AgentStatus['sessions']): string {
  if (state !== 'online' || wanted === 1) return ''
  return online === wanted ? ` (${wanted} connections)` : ` (${online} of ${wanted} connections)`
}

/** Goes on in the lines below. Takes text without colour. */
function foldLine(line: string, width: number): string[] {
  const count = Math.ceil(line.length / width)
  return Array.from({ length: count }, (_, index) => line.slice(index * width, (index + 1) * width))
}

/** Cuts to a width counted without colour codes, so that one entry is one line and the redraw counts right. */
function cutLine(line: string, width: number): string {
  // Alternates of text and the SGR codes that styleText writes.
  // oxlint-disable-next-line no-control-regex
  const parts = line.split(/(\u001b\[[0-9;]*m)/)
  let left = width
  return parts
    .map((part, index) => {
      if (index % 2 === 1) return part
      const kept = part.slice(0, left)
      left -= kept.length
      return kept
    })
    .join('')
}

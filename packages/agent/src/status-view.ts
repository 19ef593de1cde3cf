// The calm view on a terminal: one block of lines, redrawn in place and only when a word of it changes.

import { styleText } from 'node:util'

import type { AgentStatus } from './agent.ts'

/** What a terminal offers; process.stdout is one. */
export interface Terminal {
  write: (text: string) => unknown
  columns?: number
}

const REDRAW_MS = 250
const KEY_WIDTH = 20
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
    // One column is left free: a line that fills the last one wraps on some terminals.
    const width = Math.max(20, (this.#terminal.columns ?? 80) - 1)
    const status = this.#status()
    // To be registered somewhere else, so all of it must be there.
    const whole = new Set(status.tunnels.map(({ redirectUri }) => redirectUri))
    const lines = formatStatus(status, this.#now()).flatMap((line) =>
      whole.has(line) ? foldLine(line, width) : [cutLine(line, width)],
    )
    if (lines.length === this.#drawn.length && lines.every((line, index) => line === this.#drawn[index])) return
    const up = this.#drawn.length > 0 ? `\u001b[${this.#drawn.length}A` : ''
    this.#terminal.write(`${up}\u001b[0J${lines.join('\n')}\n`)
    this.#drawn = lines
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

/** The lines of the view, without regard to the terminal's width. */
export function formatStatus(status: AgentStatus, now: number): string[] {
  const { state, relay, relayVersion, latencyMs, tunnels, sessions, connections, retryAt, notice } = status
  const wait = retryAt === undefined ? '' : ` in ${Math.max(0, Math.ceil((retryAt - now) / 1000))} s`
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

function row(key: string, value: string): string {
  return `${key.padEnd(KEY_WIDTH)}${value}`
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

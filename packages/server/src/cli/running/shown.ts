// How the commands that ask a running relay show its answers. Much of the text comes from agents: it must not move the
// cursor or begin a line of its own.

import { printable } from '@sallyport/protocol/printable'
import { styleText } from 'node:util'

import type { AgentWords, ConnectionResource } from '../../operator/resources.ts'

// Characters of an agent's own text, so that a row fits into 80 columns; --json has all of it.
const MACHINE_MAX = 24
const VERSION_MAX = 12

const UNITS = [
  { name: 'd', seconds: 86_400 },
  { name: 'h', seconds: 3600 },
  { name: 'min', seconds: 60 },
]

/** `5 s`, `3 min`, `2 h`, `4 d`: how long ago a time is. */
export function shownAge(time: string, now: number): string {
  const seconds = Math.max(0, Math.floor((now - Date.parse(time)) / 1000))
  // From two of a unit on: "90 min" says more than "1 h".
  const unit = UNITS.find((each) => seconds >= 2 * each.seconds) ?? { name: 's', seconds: 1 }
  return `${Math.floor(seconds / unit.seconds)} ${unit.name}`
}

/** The machine of an agent, by its own name; the beginning of the process's id if it has not sent one. */
export function shownAgent({ machine, instance_id }: AgentWords & { instance_id: string }): string {
  return cell(machine || instance_id.slice(0, 8), MACHINE_MAX)
}

export function shownVersion({ version }: AgentWords): string {
  return version === undefined || version === '' ? 'unknown' : cell(version, VERSION_MAX)
}

/** Each address once. */
export function shownAddresses(connections: readonly ConnectionResource[]): string {
  const addresses = [...new Set(connections.map(({ address }) => printable(address)))]
  const more = addresses.length - 1
  return more > 0 ? `${addresses[0]} +${more}` : (addresses[0] ?? 'unknown')
}

export function shownLabels(labels: Record<string, string>): string {
  return Object.entries(labels)
    .map(([key, value]) => printable(`${key}=${value}`))
    .join(', ')
}

/** Highlights text, if the terminal has colours. */
export function warning(text: string): string {
  const { stdout } = process
  // NO_COLOR and TERM=dumb turn colours off.
  return stdout.isTTY && stdout.hasColors() ? styleText('yellow', text, { validateStream: false }) : text
}

/** Text of an agent, in so many characters. */
export function cell(text: string, max: number): string {
  const fit = printable(text)
  return fit.length > max ? `${fit.slice(0, max - 1)}…` : fit
}

/** Puts parts side by side, and parts that do not fit on a further line. @param columns of the terminal */
export function fold(parts: readonly string[], indent: string, columns = process.stdout.columns || Infinity): string[] {
  const lines: string[] = []
  for (const part of parts) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 2 + part.length <= columns) lines[lines.length - 1] = `${last}  ${part}`
    else lines.push(`${lines.length === 0 ? indent : `${indent}  `}${part}`)
  }
  return lines
}

// From measurements to a table for the terminal and the page docs/performance.md. Medians over the rounds.

import type { Bulk, Small } from './measure.ts'

export interface Results {
  machine: string
  rounds: number
  seconds: number
  bulkMb: number
  /** What each competitor is, by name. */
  kinds: ReadonlyMap<string, string>
  notMeasured: readonly string[]
  small: ReadonlyMap<string, readonly Small[]>
  bulk: ReadonlyMap<string, readonly Bulk[]>
  memory: { emptyBytes: number; idleBytes: number; perSessionBytes: number; sessions: number }
}

const YARDSTICK = 'nginx proxy_pass'

export function table({ kinds, small, bulk, memory }: Results): string {
  const titled = (name: string): string => (kinds.has(name) ? `${name} (${kinds.get(name)})` : name)
  const yard = medianOf(small.get(YARDSTICK) ?? [], ({ requestsPerSecond }) => requestsPerSecond)
  const smallRows = [...small].map(([name, rounds]) => {
    const rate = medianOf(rounds, ({ requestsPerSecond }) => requestsPerSecond)
    const cpu = Object.keys(rounds[0]?.cpu ?? {})
      .map((each) => `${each} ${medianOf(rounds, (round) => round.cpu[each] ?? 0).toFixed(1)}`)
      .join(', ')
    const errors = rounds.reduce((sum, round) => sum + round.errors, 0)
    return [
      titled(name),
      Math.round(rate).toLocaleString('en'),
      (rate / yard).toFixed(2),
      medianOf(rounds, ({ p50Ms }) => p50Ms).toFixed(2),
      medianOf(rounds, ({ p99Ms }) => p99Ms).toFixed(2),
      cpu,
      String(errors),
    ]
  })
  const yardDown = medianOf(bulk.get(YARDSTICK) ?? [], ({ downMbPerSecond }) => downMbPerSecond)
  const yardUp = medianOf(bulk.get(YARDSTICK) ?? [], ({ upMbPerSecond }) => upMbPerSecond)
  const bulkRows = [...bulk]
    .filter(([, rounds]) => rounds.length > 0)
    .map(([name, rounds]) => {
      const down = medianOf(rounds, ({ downMbPerSecond }) => downMbPerSecond)
      const up = medianOf(rounds, ({ upMbPerSecond }) => upMbPerSecond)
      return [titled(name), down.toFixed(0), (down / yardDown).toFixed(2), up.toFixed(0), (up / yardUp).toFixed(2)]
    })
  return `${markdown(['chain', 'requests/s', `× ${YARDSTICK}`, 'p50 ms', 'p99 ms', 'CPU per request, µs', 'errors'], smallRows)}

${markdown(['chain', 'download MB/s', `× ${YARDSTICK}`, 'upload MB/s', `× ${YARDSTICK}`], bulkRows)}

Relay memory: ${(memory.idleBytes / 1e6).toFixed(0)} MB resident when idle after start (an empty Node.js HTTP server with an empty worker
thread, which is what the store runs in, takes ${(memory.emptyBytes / 1e6).toFixed(0)} MB), ${(memory.perSessionBytes / 1000).toFixed(1)} kB for each idle tunnel session (the second ${memory.sessions.toLocaleString('en')}).
`
}

export function page(results: Results): string {
  const { machine, rounds, seconds, bulkMb } = results
  return `# Performance

This page is written by \`pnpm bench\`. Measured on ${machine}.
Medians of ${rounds} interleaved rounds in one run. The machine is shared and small: compare the ratios of one run,
not the absolute numbers of two.

* Small requests: wrk, one thread, 50 keep-alive connections, ${seconds} s a round, a 13-byte file served by nginx.
* Bulk: one ${bulkMb} MB file down (nginx) and up (a Node.js sink that counts bytes), with curl; the median of five
  transfers in each round.
* **nginx proxy_pass** is nginx in front of nginx with kept-alive upstream connections: a reverse proxy *without* a
  tunnel. Our chain does more: relay and agent are two processes with a multiplexed WebSocket between them.
* "Signed in" checks the session of a visitor and adds the identity headers and the signed identity to each request.
* No access logs anywhere. CPU per request is user plus system time from \`/proc\`, by process.

${table(results)}
What we want to reach: small requests, signed in, at 0.55 of nginx \`proxy_pass\` and later 0.75; bulk at half of it and
later 0.8; an idle relay at 80 MB, and an idle tunnel session at 40 kB. The idle relay is the one that is not there yet:
Node.js itself takes most of it, then the schemas of the configuration and the protocol (\`zod\`), the YAML reader, and the
heap that loading them leaves behind.

${results.notMeasured.length > 0 ? `Not measured on this machine: ${results.notMeasured.join('; ')}.\n` : ''}`
}

function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)))
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join(' | ')} |`
  const rule = `|${widths.map((width, column) => (column === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`
  return [line(head), rule, ...rows.map(line)].join('\n')
}

function medianOf<T>(items: readonly T[], read: (item: T) => number): number {
  const sorted = items.map(read).toSorted((a, b) => a - b)
  if (sorted.length === 0) return Number.NaN
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2
}

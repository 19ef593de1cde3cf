// Our goals beside the measurements; for a missed goal the reason, and what was tried. Pure.

import { COMPETITORS } from '../competitors.ts'
import type { CompetitorKind } from '../competitors.ts'
import { fixed } from './markdown.ts'

/** The figures of all scenarios, by `chain: what`. */
export type Figures = Readonly<Record<string, number>>

interface Goal {
  what: string
  /** Undefined if it was not measured. */
  measure: (figures: Figures) => number | undefined
  least?: number
  most?: number
  digits: number
  unit?: string
  why?: Why
}

type Why = keyof typeof WHY

const WHY = {
  parser: `**Small requests.** More than a third of the relay's time is the kernel, most of it writing to sockets. A third is Node.js
itself: half of that is \`node:http\` with its parser, which is there because no other parser refuses so many attacks
([decision 2](decisions/0002-node-http-in-front-lean-exchange-behind.md)). The rest is our own work, above all writing heads and
checking answers (\`forward\`). "Where the time goes" has the table, and below it the floor: the cost of moving the same bytes
in Node.js without parsing them. Tried: \`undici\` and \`http.request\` towards the app (twice the cost of our own exchange), coalescing by
\`process.nextTick\` (30 % more CPU at fifty connections than by \`setImmediate\`, though quicker at one), fewer and larger
writes for each answer (in use), messages that leave before the turn ends (in use, [decision
12](decisions/0012-a-message-leaves-with-a-dozen-streams.md)). One core is not the limit: the relay is busy for two thirds of
the time, and a fifth of both cores is idle while four processes wait for each other.`,
  tcp: `**Against tunnels that only copy.** They neither parse nor check nor choose; each visitor's connection is one stream to one app, in compiled
code and mostly with several threads. The floor under "Where the time goes" is the cost of such copying in Node.js.`,
  bulk: `**Bulk.** Each byte passes two more sockets than through a reverse proxy, and is masked once because RFC 6455 5.3 requires it.
[Decision 5](decisions/0005-what-bulk-costs.md) lists what was tried, with figures. Tunnels that only copy have no frames, windows or turns.`,
  memory: `**Memory.** [Decision 8](decisions/0008-what-an-idle-relay-takes.md) says where the memory of an idle relay goes, and what was tried.`,
  link: `**Over a long link.** Windows grow with the delivered rate and the minimum round trip up to \`limits.stream_window_bytes\`; the ramp
costs some round trips more than TCP's own ([decision 5](decisions/0005-what-bulk-costs.md)).`,
  latency: `**Latency.** Two more processes take part in every request, and each is a turn of an event loop: frames are gathered until the end of
a turn (\`setImmediate\`), which costs 20 µs at one connection and saves 30 % of the CPU at fifty. On a machine with as many processes as
cores they also wait for each other.`,
  fairness: `**Beside a download.** Streams take turns and small ones overtake ("The mux" in [architecture](architecture.md)); the rest is the wait for a
core that the download uses, which the rows without a tunnel show as well. Windows for half a millisecond instead of two reduced
the factor from 7 to about 4 ([decision 5](decisions/0005-what-bulk-costs.md)).`,
} as const

const GOALS: readonly Goal[] = [
  {
    what: 'Small requests at 50 connections, × nginx proxy_pass',
    measure: (figures) => ratio(figures, 'requests/s at 50', 'sallyport', ['nginx proxy_pass']),
    least: 0.75,
    digits: 2,
    why: 'parser',
  },
  {
    what: 'The same, signed in',
    measure: (figures) => ratio(figures, 'requests/s at 50', 'sallyport, signed in', ['nginx proxy_pass']),
    least: 0.55,
    digits: 2,
    why: 'parser',
  },
  {
    what: 'Small requests, × the fastest HTTP tunnel',
    measure: (figures) => ratio(figures, 'requests/s at 50', 'sallyport', namesOf('HTTP tunnel')),
    least: 1.5,
    digits: 2,
    why: 'parser',
  },
  {
    what: 'Small requests, × the fastest TCP tunnel',
    measure: (figures) => ratio(figures, 'requests/s at 50', 'sallyport', namesOf('TCP tunnel')),
    least: 1,
    digits: 2,
    why: 'tcp',
  },
  {
    what: 'CPU per request of the relay, × nginx proxy_pass',
    measure: (figures) =>
      quotient(figures['sallyport: CPU of relay at 50'], figures['nginx proxy_pass: CPU of nginx proxy_pass at 50']),
    most: 1.6,
    digits: 2,
    why: 'parser',
  },
  {
    what: 'Download, × nginx proxy_pass',
    measure: (figures) => ratio(figures, 'download', 'sallyport', ['nginx proxy_pass']),
    least: 0.8,
    digits: 2,
    why: 'bulk',
  },
  {
    what: 'Download, × the fastest tunnel',
    measure: (figures) =>
      ratio(figures, 'download', 'sallyport', [...namesOf('HTTP tunnel'), ...namesOf('TCP tunnel')]),
    least: 1,
    digits: 2,
    why: 'bulk',
  },
  {
    what: 'Upload, × nginx proxy_pass',
    measure: (figures) => ratio(figures, 'upload', 'sallyport', ['nginx proxy_pass']),
    least: 0.8,
    digits: 2,
    why: 'bulk',
  },
  {
    what: 'Upload, × the fastest tunnel',
    measure: (figures) => ratio(figures, 'upload', 'sallyport', [...namesOf('HTTP tunnel'), ...namesOf('TCP tunnel')]),
    least: 1,
    digits: 2,
    why: 'bulk',
  },
  {
    what: 'Added latency at 1,000 requests/s, p50',
    measure: (figures) => figures['sallyport: added p50'],
    most: 0.3,
    digits: 2,
    unit: 'ms',
    why: 'latency',
  },
  {
    what: 'One stream over 100 ms, × TCP without a tunnel',
    measure: (figures) => figures['sallyport: × TCP at 100 ms'],
    least: 0.9,
    digits: 2,
    why: 'link',
  },
  {
    what: 'Small requests beside a download, one session, loopback: p99 × p99 alone',
    measure: (figures) => figures['sallyport, one session: p99 beside a download'],
    most: 3,
    digits: 1,
    why: 'fairness',
  },
  {
    what: 'Small requests beside a download, one session, 20 Mbit/s and 25 ms: p99',
    measure: (figures) => figures['sallyport, one session: p99 on the narrow link'],
    most: 150,
    digits: 0,
    unit: 'ms',
    why: 'fairness',
  },
  {
    what: 'Idle relay',
    measure: (figures) => quotient(figures['sallyport: idle relay'], 1e6),
    most: 80,
    digits: 0,
    unit: 'MB',
    why: 'memory',
  },
  {
    what: 'Relay with 10,000 idle agents',
    measure: (figures) => quotient(figures['sallyport: bytes at 10000 agents'], 1e6),
    most: 400,
    digits: 0,
    unit: 'MB',
    why: 'memory',
  },
]

export interface Judged {
  rows: string[][]
  /** Reasons for missed goals. */
  reasons: string[]
}

export function judge(figures: Figures): Judged {
  const reasons = new Set<Why>()
  const rows = GOALS.map(({ what, measure, least, most, digits, unit, why }) => {
    const value = measure(figures)
    const withUnit = (text: string): string => (unit === undefined ? text : `${text} ${unit}`)
    const goal = least === undefined ? `≤ ${most}` : `≥ ${least}`
    if (value === undefined) return [what, withUnit(goal), 'not measured', '']
    // The printed value is judged.
    const shown = Number(value.toFixed(digits))
    const isReached = (least === undefined || shown >= least) && (most === undefined || shown <= most)
    if (!isReached && why !== undefined) reasons.add(why)
    return [what, withUnit(goal), withUnit(fixed(value, digits)), isReached ? 'yes' : '**no**']
  })
  return { rows, reasons: [...reasons].map((each) => WHY[each]) }
}

function namesOf(kind: CompetitorKind): string[] {
  return COMPETITORS.filter((each) => each.kind === kind).map(({ name }) => name)
}

/** Ours over the best of `others`. */
function ratio(figures: Figures, what: string, ours: string, others: readonly string[]): number | undefined {
  const best = others.map((name) => figures[`${name}: ${what}`]).filter((each) => each !== undefined)
  return best.length === 0 ? undefined : quotient(figures[`${ours}: ${what}`], Math.max(...best))
}

function quotient(value: number | undefined, by: number | undefined): number | undefined {
  return value === undefined || by === undefined ? undefined : value / by
}

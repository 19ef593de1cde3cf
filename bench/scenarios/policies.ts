// The cost of rules: routes of one relay in pairs, one with the rules and one without them. And the memory of a rate
// limit's buckets.

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

import { CounterRooms } from '../../packages/server/src/policy/rate-limit/counter-rooms.ts'
import { withCpu } from '../cpu.ts'
import { wrk } from '../load/wrk.ts'
import type { Running } from '../processes.ts'
import { count, fixed } from '../report/markdown.ts'
import { medianBounds, medianOf, progress } from '../rounds.ts'
import type { Findings, Plan, Scenario } from '../scenario.ts'
import { FALSE_RULES, FALSE_RULES_HOST, SIGNED_HOST, SIGNED_RULES_HOST, SMALL_PATH, signIn } from '../testbed.ts'

const CONNECTIONS = 50
const WARM_SECONDS = 5 // until V8 has compiled the hot code
const PAIRS_PER_ROUND = 4
const BUCKETS = 100_000
const KEY_CHARS = 40 // an IPv6 address has 39 at most
const WINDOW_MS = 60_000

interface Route {
  headers: Readonly<Record<string, string>>
}

interface Comparison {
  name: string
  figure: string
  /** The second route's surplus over the first, in the counted unit. */
  more: number
  routes: readonly [Route, Route]
}

export const policies: Scenario = {
  name: 'policies',
  title: 'Rules of a policy',
  isCore: false,
  method: (plan) =>
    `As small requests at ${CONNECTIONS} connections, through one relay and one agent, ${plan.rounds * PAIRS_PER_ROUND} pairs of ${plan.seconds} s each, the first of a pair in turns:
a route without policy beside one with ${FALSE_RULES} rules, each with an expression that is false; and a signed-in route beside one
with three more rules: an expression that is false, \`add-headers\` and \`rate-limit\`. CPU is that of the relay. "More" is the median
of the differences within a pair, and the range in which this median lies with 95 % certainty; of the false rules it is for one of them.`,
  async run(bed, plan) {
    const chains = await bed.chains()
    const ours = chains.find(({ name }) => name === 'sallyport')
    if (!ours) throw new Error('our own relay has not started')
    const { port } = ours
    const routeOf = (host: string, cookie?: string): Route => ({
      headers: { Host: `${host}:${port}`, ...(cookie !== undefined && { Cookie: cookie }) },
    })
    const signedIn = async (host: string): Promise<Route> =>
      routeOf(host, await signIn(`http://${host}:${port}${SMALL_PATH}`))
    const comparisons: Comparison[] = [
      {
        name: `one rule whose expression is false (of ${FALSE_RULES})`,
        figure: 'sallyport: CPU of a false rule',
        more: FALSE_RULES,
        routes: [routeOf('app.localhost'), routeOf(FALSE_RULES_HOST)],
      },
      {
        name: 'three rules behind a session check',
        figure: 'sallyport: CPU of three rules',
        more: 1,
        routes: [await signedIn(SIGNED_HOST), await signedIn(SIGNED_RULES_HOST)],
      },
    ]
    const relay = ours.processes.filter(({ name }) => name === 'relay')
    const rows: string[][] = []
    const figures: Record<string, number> = {}
    for (const comparison of comparisons) {
      const { row, more } = await measurePairs(comparison, `http://127.0.0.1:${port}${SMALL_PATH}`, relay, plan)
      rows.push(row)
      figures[comparison.figure] = more
    }
    const buckets = measureBuckets()
    figures['sallyport: MB of 100000 buckets'] = buckets
    return {
      tables: [{ head: ['rules', 'CPU per request without, µs', 'with, µs', 'more, µs'], rows }],
      figures,
      notes: [
        `${count(BUCKETS)} buckets of \`rate-limit\` with keys of ${KEY_CHARS} characters take ${fixed(buckets, 1)} MB; that is as many as an edge may have.`,
      ],
    } satisfies Findings
  },
}

async function measurePairs(
  { name, more: divisor, routes }: Comparison,
  url: string,
  relay: readonly Running[],
  plan: Plan,
): Promise<{ row: string[]; more: number }> {
  const measure = async ({ headers }: Route): Promise<number> => {
    const { result, cpu } = await withCpu(relay, () =>
      wrk(url, { headers, connections: CONNECTIONS, seconds: plan.seconds }),
    )
    if (result.errors > 0) throw new Error(`${result.errors} requests failed`)
    return (cpu.relay ?? Number.NaN) / result.requests
  }
  if (!plan.isQuick) {
    for (const { headers } of routes) await wrk(url, { headers, connections: CONNECTIONS, seconds: WARM_SECONDS })
  }
  const spent: [number, number][] = []
  const pairs = plan.rounds * (plan.isQuick ? 1 : PAIRS_PER_ROUND)
  for (let pair = 0; pair < pairs; pair++) {
    progress(`${name}: ${pair + 1} of ${pairs}`)
    const [first, second] = pair % 2 === 0 ? routes : ([routes[1], routes[0]] as const)
    const [one, other] = [await measure(first), await measure(second)]
    spent.push(pair % 2 === 0 ? [one, other] : [other, one])
  }
  progress('')
  const differences = spent.map(([without, with_]) => (with_ - without) / divisor)
  const more = medianOf(differences, (difference) => difference)
  const { low, high } = medianBounds(differences)
  const column = (index: 0 | 1): string =>
    fixed(
      medianOf(spent, (pair) => pair[index]),
      1,
    )
  return { row: [name, column(0), column(1), `${fixed(more, 2)} (${fixed(low, 2)} to ${fixed(high, 2)})`], more }
}

/** MB of the heap that the buckets of one rate limit take. */
function measureBuckets(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void // just made by the flag
  const counter = new CounterRooms(() => Date.now()).counter('edg_bench', WINDOW_MS, 'bench')
  collect()
  const before = process.memoryUsage()
  for (let index = 0; index < BUCKETS; index++) {
    const key = Buffer.from(String(index).padStart(KEY_CHARS, 'k')).toString('latin1') // one piece, as of a visitor
    counter.take(key, 10, Date.now())
  }
  collect()
  const after = process.memoryUsage()
  counter.close()
  return (after.heapUsed + after.external - before.heapUsed - before.external) / 1e6
}

// The start of a relay with many edges, with and without rules.

import { residentBytes } from '../processes.ts'
import { fixed } from '../report/markdown.ts'
import { inRounds, medianOf } from '../rounds.ts'
import type { Scenario } from '../scenario.ts'

const EDGES = 1000
const RULES = 10

const KINDS = [
  { name: 'one edge', edges: edgesOf(1, 0) },
  { name: `${EDGES} edges`, edges: edgesOf(EDGES, 0) },
  { name: `${EDGES} edges with ${RULES} rules each`, edges: edgesOf(EDGES, RULES) },
] as const

export const manyEdges: Scenario = {
  name: 'many-edges',
  title: 'The start with many edges',
  isCore: false,
  method: () =>
    `From the start of the relay's process until it serves, with edges of relay.yml. Each rule has an expression of its own and one
action. "For the edges" is the time beyond that of one edge.`,
  async run(bed, plan) {
    const { measured, failed } = await inRounds(KINDS, plan.rounds, async ({ name, edges }, round) => {
      const { relay, startMs } = await bed.startRelay(`${name.replaceAll(' ', '-')}-${round}`, { edges })
      const bytes = residentBytes(relay.pid)
      await relay.end()
      return { startMs, bytes }
    })
    const startOf = (name: string): number => medianOf(measured.get(name) ?? [], ({ startMs }) => startMs)
    const least = startOf(KINDS[0].name)
    const figures: Record<string, number> = {}
    const rows = [...measured].map(([name, rounds]) => {
      figures[`sallyport: ms to start with ${name}`] = startOf(name)
      const megabytes = medianOf(rounds, ({ bytes }) => bytes) / 1e6
      return [name, fixed(startOf(name), 0), fixed(startOf(name) - least, 0), fixed(megabytes, 0)]
    })
    return {
      tables: [{ head: ['relay with', 'ms to start', 'of them for the edges', 'resident MB'], rows }],
      figures,
      notes: failed,
    }
  },
}

function edgesOf(count: number, rules: number): string {
  return Array.from({ length: count }, (_, edge) => {
    const host = `  - { id: edg_${edge}, hosts: [edge-${edge}.localhost]`
    if (rules === 0) return `${host} }`
    const all = Array.from({ length: rules }, (_rule, rule) => ruleOf(edge, rule)).join(', ')
    return `${host}, routes: [{ path_prefix: /, backend: { labels: { edge: edg_${edge} } }, policy: { on_http_request: [${all}] } }] }`
  }).join('\n')
}

function ruleOf(edge: number, rule: number): string {
  const expression = `req.url.path.startsWith('/area-${edge}-${rule}/') && !inCidrRange(conn.client_ip, '10.${rule}.0.0/16')`
  return `{ expressions: ["${expression}"], actions: [{ type: deny, config: { status_code: 404 } }] }`
}

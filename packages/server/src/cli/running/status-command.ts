// `relay status`: the state of the relay that runs on the store of a configuration, its edges with their tunnels, and
// the connected agents.

import { printable } from '@sallyport/protocol/printable'

import type { AgentResource, EdgeResource, RelayStatus, TunnelCount } from '../../operator/resources.ts'
import { shownTime, tableLines } from '../stored/print-table.ts'
import type { StoreOption } from '../stored/with-store.ts'
import type { RunningRelay } from './ask-relay.ts'
import { withRunningRelay } from './asked.ts'
import { shownAddresses, shownAge, shownAgent, shownLabels, shownVersion, warning } from './shown.ts'

const SHOWN_EDGES = 100 // more than anybody reads; --json has all
const SHOWN_AGENTS = 100

export async function showStatus(options: StoreOption & { json?: boolean }): Promise<void> {
  await withRunningRelay(options, async (relay) => {
    const status = await relay.get<RelayStatus>('status')
    if (options.json) {
      const edges = await relay.rows<EdgeResource>('edges')
      const agents = await relay.rows<AgentResource>('agents')
      console.log(JSON.stringify({ relay: status, edges, agents }, undefined, 2))
      return
    }
    const now = Date.now()
    for (const line of headLines(status, now)) console.log(line)
    await printEdges(relay, status)
    await printAgents(relay, status, now)
  })
}

function* headLines(status: RelayStatus, now: number): Iterable<string> {
  const { version, pid, state, started_at, problems, listeners, store, workers, agents, tunnels } = status
  const start = `${shownTime(Date.parse(started_at))} UTC (${shownAge(started_at, now)})`
  const how = state === 'draining' ? `stopping, started ${start}` : `serving since ${start}`
  yield `Sallyport relay ${version}, process ${pid}, ${how}`
  yield ''
  const visitors = (['http', 'https'] as const).flatMap((kind) =>
    listeners[kind] ? [`${kind}://${listeners[kind]}`] : [],
  )
  yield `  Visitors   ${visitors.join(', ')}`
  yield `  Agents     ${status.public_url}`
  if (listeners.admin !== undefined) yield `  Admin      http://${listeners.admin}`
  yield `  Store      ${store.path}`
  if (workers) {
    const serving = workers.filter((worker) => worker.state === 'serving').length
    const others = workers
      .filter((worker) => worker.state !== 'serving')
      .map(({ number, state: does }) => `worker ${number} ${does}`)
    const restarts = workers.reduce((sum, worker) => sum + worker.restarts, 0)
    yield `  Workers    ${[`${serving} of ${workers.length} serve`, ...others, ...(restarts > 0 ? [counted(restarts, 'restart')] : [])].join(', ')}`
  }
  yield `  Online     ${counted(agents.total, 'agent')}, ${shownTunnels(tunnels)}, ${counted(tunnels.in_flight, 'open exchange')}`
  yield `  Signed in  ${counted(status.visitor_sessions, 'session')}`
  yield ''
  for (const problem of problems) yield warning(`Problem: ${printable(problem)}`)
  if (problems.length > 0) yield ''
}

async function printEdges(relay: RunningRelay, { edges: { total } }: RelayStatus): Promise<void> {
  const edges = await relay.rows<EdgeResource>('edges', { count: SHOWN_EDGES })
  if (edges.length === 0) return
  const rows = edges.map(({ id, source, endpoints, internal, status }) => {
    const [url = ''] = endpoints
    const more = endpoints.length - 1
    const name = source.kind === 'agent' ? '(agent http)' : id
    const address = more > 0 ? `${url} and ${more} more` : url
    return [name, shownCount(status.tunnels), internal ? `${address} (internal)` : address]
  })
  const [head = '', ...lines] = tableLines(['EDGE', 'TUNNELS', 'ADDRESS'], rows)
  console.log(head)
  for (const [index, line] of lines.entries()) {
    console.log(line)
    const { id, backends, status } = edges[index]! // one line for each
    if (status.state === 'disabled') console.log(warning(`  disabled: nobody can visit it; relay edge enable ${id}`))
    if (status.state === 'broken')
      console.log(warning('  broken: nobody can visit it; the log of the relay has the reason'))
    for (const { labels, tunnels } of backends) {
      if (tunnels.online === 0) console.log(warning(`  no tunnel with ${shownLabels(labels)}`))
    }
  }
  if (total > edges.length) console.log(`… and ${total - edges.length} more: see --json`)
  console.log('')
}

async function printAgents(relay: RunningRelay, { agents: { total } }: RelayStatus, now: number): Promise<void> {
  const agents = await relay.rows<AgentResource>('agents', { count: SHOWN_AGENTS })
  if (agents.length === 0) return console.log('No agent is connected.')
  const rows = agents.map((agent) => [
    shownAgent(agent),
    shownVersion(agent),
    shownAddresses(agent.connections),
    shownAge(agent.connected_at, now),
    String(agent.tunnels.length),
    agent.authtoken_id,
  ])
  for (const line of tableLines(['AGENT', 'VERSION', 'ADDRESS', 'SINCE', 'TUNNELS', 'AUTHTOKEN'], rows))
    console.log(line)
  if (total > agents.length) console.log(`… and ${total - agents.length} more: see --json`)
}

function shownCount({ online, unhealthy }: TunnelCount): string {
  if (online === 0) return 'none'
  return unhealthy === 0 ? `${online} online` : `${online} online (${unhealthy} unhealthy)`
}

function shownTunnels({ online, unhealthy }: TunnelCount): string {
  const all = counted(online, 'tunnel')
  return unhealthy === 0 ? all : `${all} (${unhealthy} unhealthy)`
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}

// `relay tunnel list`: every tunnel that is online at the relay on the store of a configuration.

import { printable } from '@sallyport/protocol/printable'

import type { TunnelResource } from '../../operator/resources.ts'
import { tableLines } from '../stored/print-table.ts'
import { warnOfUnknownEdge } from '../stored/warn-of-unknown-edge.ts'
import type { StoreOption } from '../stored/with-store.ts'
import { withRunningRelay } from './asked.ts'
import { cell, fold, shownAddresses, shownAge, shownAgent, shownLabels, shownVersion, warning } from './shown.ts'

const SHOWN = 1000 // more than anybody reads; --json has all

const METADATA_MAX = 60 // characters of 4096

const HEAD = ['EDGE', 'HEALTH', 'ONLINE', 'LAST REQUEST', 'OPEN', 'WEIGHT', 'AGENT']

export async function listTunnels(options: StoreOption & { edge?: string; json?: boolean }): Promise<void> {
  const { edge } = options
  await withRunningRelay(options, async (relay) => {
    const tunnels = await relay.rows<TunnelResource>('tunnels', { query: edge === undefined ? {} : { edge } })
    if (options.json) {
      console.log(JSON.stringify(tunnels, undefined, 2))
      return
    }
    if (tunnels.length === 0) {
      console.error(edge === undefined ? 'No tunnel is online.' : `No tunnel of ${edge} is online.`)
      if (edge !== undefined && !edge.includes('.')) await warnOfUnknownEdge([edge], options)
      return
    }
    const now = Date.now()
    const shown = tunnels.toSorted(byEdge).slice(0, SHOWN)
    const [head = '', ...lines] = tableLines(
      HEAD,
      shown.map((tunnel) => cellsOf(tunnel, now)),
    )
    console.log(head)
    for (const [index, line] of lines.entries()) {
      console.log(line)
      for (const further of furtherLines(shown[index]!, now)) console.log(further) // one line for each
    }
    if (tunnels.length > SHOWN) console.error(`… and ${tunnels.length - SHOWN} more: see --json`)
  })
}

function cellsOf(tunnel: TunnelResource, now: number): string[] {
  const { health, online_since, last_request_at, in_flight, weight, agent, connections } = tunnel
  return [
    edgesOf(tunnel),
    health.state,
    shownAge(online_since, now),
    last_request_at === undefined ? 'none' : `${shownAge(last_request_at, now)} ago`,
    String(in_flight),
    String(weight),
    `${shownAgent(agent)}, ${shownVersion(agent)}, ${shownAddresses(connections)}`,
  ]
}

function furtherLines(tunnel: TunnelResource, now: number): string[] {
  const { id, labels, url, forwards_to, metadata, edges, health } = tunnel
  const from = url === undefined ? shownLabels(labels) : printable(url)
  const what = metadata === undefined ? [] : [`(${cell(metadata, METADATA_MAX)})`]
  const lines = fold([id, from, `-> ${printable(forwards_to)}`, ...what], '  ')
  if (edges.length === 0) lines.push(warning('  no edge leads to it'))
  if (health.state === 'healthy') return lines
  const reason = printable(health.detail) || 'its agent does not say why'
  return [...lines, warning(`  ${health.state} for ${shownAge(health.since, now)}: ${reason}`)]
}

function edgesOf({ edges, url }: TunnelResource): string {
  if (url !== undefined) return '(agent http)'
  const [id = 'none', ...more] = edges
  return more.length > 0 ? `${id} +${more.length}` : id
}

function byEdge(a: TunnelResource, b: TunnelResource): number {
  const [first, second] = [edgesOf(a), edgesOf(b)]
  return first === second ? 0 : first < second ? -1 : 1
}

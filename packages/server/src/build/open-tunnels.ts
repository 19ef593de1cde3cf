// Opens the entrance for agents, and the links to the other nodes of the same relay, over which their agents are
// reached.

import { getHeapStatistics } from 'node:v8'

import { BufferBudget } from '@sallyport/protocol'

import type { Config } from '../config/config.ts'
import type { EdgeBook } from '../edge/edge-book.ts'
import type { OnFault } from '../exchange/border.ts'
import type { LimitRefusals } from '../exchange/limit-refusals.ts'
import { AgentListener } from '../listener/agent-listener.ts'
import type { Logger } from '../log.ts'
import type { Neighbours } from '../node/neighbours.ts'
import type { Authtokens } from '../tunnel/authtokens.ts'
import type { EndpointBinder } from '../tunnel/endpoint-binder.ts'
import { loadLanguage } from '../policy/language.ts'
import type { Registry } from '../tunnel/registry.ts'
import { RELAY_VERSION } from '../version.ts'
import type { CountAttempts } from './count-attempts.ts'
import { keep } from './keep.ts'
import type { NodeInit } from './start-relay-init.ts'

export interface OpenTunnelsInit {
  readonly config: Config
  readonly nodeId: string
  /** Undefined if it is the only node. */
  readonly node: NodeInit | undefined
  readonly registry: Registry
  readonly authtokens: Authtokens
  readonly book: EdgeBook
  readonly endpoints: EndpointBinder
  readonly refusals: LimitRefusals
  readonly countAttempts: CountAttempts
  readonly log: Logger
  readonly onFault: OnFault
}

export interface OpenTunnels {
  readonly agents: AgentListener
  /** Undefined if it is the only node. */
  readonly neighbours: Neighbours | undefined
}

export async function openTunnels(rooms: AsyncDisposableStack, init: OpenTunnelsInit): Promise<OpenTunnels> {
  const { config, nodeId, node, registry, authtokens, book, endpoints, refusals, log, onFault } = init
  const { limits, timeouts } = config
  const budget = BufferBudget.ofHeap(
    getHeapStatistics().heap_size_limit,
    node?.directory.nodeIds.length, // workers of one machine
    limits.session_buffer_bytes,
  )
  const neighbours = node && (await openNeighbours(rooms, { ...node, registry, endpoints, limits, budget, log }))
  const agents = new AgentListener({
    authtokens,
    failures: init.countAttempts('failed agent logins', limits.failed_agent_logins_per_minute),
    limits,
    refusals,
    log,
    sessionParts: {
      nodeId,
      nodeIds: node?.directory.nodeIds ?? [nodeId],
      relayVersion: RELAY_VERSION,
      registry,
      endpoints,
      limits,
      refusals,
      timeouts,
      log,
      budget,
      endpointsFor: (labels) => book.urlsFor(labels),
      boundEdgesFor: (labels) => book.boundEdgesFor(labels),
      onFault,
    },
  })
  rooms.defer(() => agents.destroy())
  return { agents, neighbours }
}

async function openNeighbours(
  rooms: AsyncDisposableStack,
  options: Parameters<typeof Neighbours.open>[0],
): Promise<Neighbours> {
  const { Neighbours } = await import('../node/neighbours.ts') // most relays are the only node
  await loadLanguage() // endpoints of other nodes are taken at once, whatever their policies are written in
  return keep(rooms, await Neighbours.open(options))
}

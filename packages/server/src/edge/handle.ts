// The product in twenty lines: the way of a visitor's exchange. Read this first.

import type { Exchange } from '../exchange/exchange.ts'
import { isNgroks, isOurs } from '../exchange/target/own-paths.ts'
import { readPath } from '../exchange/target/read-path.ts'
import type { Forwarder } from '../forward/forwarder.ts'
import { checkTls } from './check-tls.ts'
import type { EdgeTable } from './edge-table.ts'
import { walkRoute } from './walk-route.ts'

export interface Gate {
  /** The hosts of visitors. Internal endpoints are in another table, to which no Host leads (internal-endpoints.ts). */
  edges: EdgeTable
  forwarder: Forwarder
  /** The host of `public_url`. It serves the shared callback and the keys, and has no edge. */
  publicHost: string
  publicPages: (exchange: Exchange) => Promise<void>
  edgePages: (exchange: Exchange) => Promise<void>
}

/** Takes an exchange from host to app. @throws RelayError, at once or later, for every refusal */
export function handle(exchange: Exchange, gate: Gate): Promise<void> {
  if (exchange.host === gate.publicHost) return gate.publicPages(exchange)

  const edge = gate.edges.at(exchange.host)
  exchange.edgeId = edge.id
  exchange.origin = edge.originOf(exchange.host)
  exchange.look = edge.look
  checkTls(exchange, edge.tls, Date.now)
  if (edge.gate && !edge.gate(exchange)) return OVER

  const { path } = exchange
  const reading = readPath(path)
  if (isOurs(path, reading) || (edge.hasNgrokPaths && isNgroks(path))) return gate.edgePages(exchange)

  return walkRoute(exchange, edge, reading, gate.forwarder)
}

/** The connection may not stay, so there is nobody to answer. */
const OVER = Promise.resolve()

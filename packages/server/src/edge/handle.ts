// The product in twenty lines: what happens to a visitor's exchange. Read this first.

import { RelayError } from '../errors.ts'
import type { Exchange } from '../exchange/exchange.ts'
import type { Forwarder } from '../forward/forwarder.ts'
import type { EdgeTable } from './edge-table.ts'
import { normalPath } from './normal-path.ts'

/** `/.sallyport/` on every edge host is ours and never reaches an app. */
const OWN_PATHS = '/.sallyport'

export interface Gate {
  edges: EdgeTable
  forwarder: Forwarder
  /** The host of `public_url`: the shared callback and the keys live there, and no edge. */
  publicHost: string
  publicPages: (exchange: Exchange) => Promise<void>
  edgePages: (exchange: Exchange) => Promise<void>
}

/** Takes an exchange from host to app. @throws RelayError, at once or later, for everything a visitor is told no for */
export function handle(exchange: Exchange, gate: Gate): Promise<void> {
  if (exchange.host === gate.publicHost) return gate.publicPages(exchange)

  const edge = gate.edges.at(exchange.host)
  exchange.edgeId = edge.id
  exchange.origin = edge.originOf(exchange.host)

  if (isOurs(exchange.path)) return gate.edgePages(exchange)

  const route = edge.routeFor(exchange.path)
  return route.policy(exchange, () => gate.forwarder.forward(exchange, route.backend))
}

/** Ours in every spelling: what an app could read as our path must not reach it either. */
function isOurs(path: string): boolean {
  if (path === OWN_PATHS || path.startsWith(`${OWN_PATHS}/`)) return true
  const normal = normalPath(path)
  if (normal === OWN_PATHS || normal?.startsWith(`${OWN_PATHS}/`)) throw new RelayError('path_ambiguous')
  return false
}

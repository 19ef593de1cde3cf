// The product in twenty lines: the way of a visitor's exchange. Read this first.

import { RelayError } from '../errors.ts'
import { WEBSOCKET } from '../exchange/exchange.ts'
import type { Exchange, Upgrade } from '../exchange/exchange.ts'
import type { Forwarder } from '../forward/forwarder.ts'
import type { EdgeTable } from './edge-table.ts'
import { readPath } from './read-path.ts'
import type { PathReading } from './read-path.ts'
import type { Route } from './route.ts'

/** `/.sallyport/` on every edge host is ours and never reaches an app. */
const OWN_SEGMENT = '.sallyport'
const OWN_PATHS = `/${OWN_SEGMENT}`

export interface Gate {
  edges: EdgeTable
  forwarder: Forwarder
  /** The host of `public_url`: the shared callback and the keys live there, and no edge. */
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

  const { path } = exchange
  const reading = readPath(path)
  if (isOurs(path, reading)) return gate.edgePages(exchange)

  const route = edge.routeFor(path, reading)
  exchange.normalPath = reading?.normal
  if (exchange.upgrade && !allowsUpgrade(route, exchange.upgrade)) exchange.declineUpgrade()
  return route.policy(exchange, () => gate.forwarder.forward(exchange, route.backend))
}

/** Ours in every spelling: a path that an app could read as ours must not reach it either. */
function isOurs(path: string, reading: PathReading | undefined): boolean {
  if (path === OWN_PATHS || path.startsWith(`${OWN_PATHS}/`)) return true
  if (!reading) return false
  const { normal, isSlippery, segments } = reading
  if (normal === OWN_PATHS || normal?.startsWith(`${OWN_PATHS}/`) || (isSlippery && segments.includes(OWN_SEGMENT))) {
    throw new RelayError('path_ambiguous')
  }
  return false
}

function allowsUpgrade({ upgrades }: Route, { protocol }: Upgrade): boolean {
  const name = protocol.toLowerCase()
  return name === WEBSOCKET || upgrades?.has(name) === true
}

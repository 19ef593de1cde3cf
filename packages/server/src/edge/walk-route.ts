// The part of an exchange's way that is the same on all edges, of visitors and internal ones: path → route → policy → backend.

import { WEBSOCKET } from '../exchange/exchange.ts'
import type { Exchange, Upgrade } from '../exchange/exchange.ts'
import type { PathReading } from '../exchange/target/read-path.ts'
import type { Forwarder } from '../forward/forwarder.ts'
import type { Edge } from './edge.ts'
import type { Route } from './route.ts'

/**
 * @param reading the result of `readPath` for the path of the exchange
 * @throws RelayError, at once or later, for every refusal
 */
export function walkRoute(
  exchange: Exchange,
  edge: Edge,
  reading: PathReading | undefined,
  forwarder: Forwarder,
): Promise<void> {
  const route = edge.routeFor(exchange.path, reading)
  exchange.normalPath = reading?.normal
  exchange.keepTo(route, edge)
  if (exchange.upgrade && !allowsUpgrade(route, exchange.upgrade)) exchange.declineUpgrade()
  return route.policy(exchange, () => forwarder.forward(exchange, route.backend))
}

function allowsUpgrade({ upgrades }: Route, { protocol }: Upgrade): boolean {
  const name = protocol.toLowerCase()
  return name === WEBSOCKET || upgrades?.has(name) === true
}

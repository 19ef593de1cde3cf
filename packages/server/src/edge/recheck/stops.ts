// The stops of an exchange on its way: the visitor's edge, and then each internal endpoint that it was forwarded to.

import type { Exchange } from '../../exchange/exchange.ts'
import { pathOf } from '../../exchange/target/origin-form.ts'
import type { Edge } from '../edge.ts'
import type { Route } from '../route.ts'

export interface Stop {
  readonly host: string
  /** The edge that has let the exchange in, and its route. */
  readonly edge: Edge
  readonly route: Route
  /** The path with which the exchange came. */
  readonly path: string
  /** From now on the exchange is subject to this edge and route. */
  move(edge: Edge, route: Route): void
}

/** The last stop first. */
export function* stopsOf(exchange: Exchange): Generator<Stop> {
  let outer = exchange.way?.outer
  yield stopAt(exchange, exchange.inner?.host ?? exchange.host, outer?.target ?? exchange.visitorTarget)
  for (; outer; outer = outer.outer) {
    yield stopAt(outer, outer.inner?.host ?? exchange.host, outer.outer?.target ?? exchange.visitorTarget)
  }
}

type Kept = Pick<Exchange, 'route' | 'routes'>

function stopAt(kept: Kept, host: string, target: string): Stop {
  return {
    host,
    edge: kept.routes as Edge, // only walkRoute() calls keepTo(), with these
    route: kept.route as Route,
    path: pathOf(target),
    move: (edge, route) => {
      kept.routes = edge
      kept.route = route
    },
  }
}

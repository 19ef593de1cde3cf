// One route of an edge: a path match, a compiled policy, and the tunnels it leads to.

import type { TunnelGroup } from '../backend/tunnel-group.ts'
import type { RouteMatch } from '../config/config.ts'
import type { Policy } from '../policy/compose.ts'

export interface Route {
  match: RouteMatch
  policy: Policy
  backend: TunnelGroup
}

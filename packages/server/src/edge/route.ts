// One route of an edge: a path match, a compiled policy, and where it leads.

import type { RouteBackend } from '../backend/route-backend.ts'
import type { RouteMatch } from '../config/config.ts'
import type { Policy } from '../policy/compose.ts'

export interface Route {
  match: RouteMatch
  policy: Policy
  backend: RouteBackend
}

// One route of an edge: a path match, a compiled policy, and a backend.

import type { RouteBackend } from '../backend/route-backend.ts'
import type { RouteConfig } from '../model/edge-config.ts'
import type { Policy } from '../policy/compose.ts'

export interface Route {
  config: RouteConfig
  /** The protocols of upgrades, in lower case; undefined if only WebSockets are allowed. */
  upgrades?: ReadonlySet<string>
  policy: Policy
  /** Whether a condition of the policy reads the path. */
  readsPath?: boolean
  backend: RouteBackend
}

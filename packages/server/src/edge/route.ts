// One route of an edge: a path match, a compiled policy, and a backend.

import type { RouteBackend } from '../backend/route-backend.ts'
import type { RouteConfig } from '../model/edge-config.ts'
import type { Policy } from '../policy/compose.ts'
import type { SessionGate } from '../session/live-session.ts'

export interface Route {
  config: RouteConfig
  /** The protocols of upgrades, in lower case; undefined if only WebSockets are allowed. */
  upgrades?: ReadonlySet<string>
  policy: Policy
  /** The sign-ins of each of its actions that has some, in the order of the policy. */
  gates?: readonly (readonly SessionGate[])[]
  /** Whether a condition of the policy reads the path. */
  readsPath?: boolean
  backend: RouteBackend
}

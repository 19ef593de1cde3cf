// Walks all actions of complete edges in their order, including actions inside others. Pure: no I/O, no clock.

import type { KindTable } from '../policy/kind.ts'
import { KINDS } from '../policy/kinds.ts'
import type { EdgeConfig } from './edge-config.ts'
import { stepsOf } from './schema/steps-of.ts'
import type { StepInPlace } from './schema/steps-of.ts'

export function* stepsOfEdges(
  edges: readonly EdgeConfig[],
  kinds: KindTable = KINDS,
): Generator<StepInPlace & { edgeId: string }> {
  for (const { id: edgeId, routes, on_tcp_connect = [] } of edges) {
    for (const policy of [{ on_tcp_connect }, ...routes.map((route) => route.policy)]) {
      for (const step of stepsOf(policy, kinds)) yield { ...step, edgeId }
    }
  }
}

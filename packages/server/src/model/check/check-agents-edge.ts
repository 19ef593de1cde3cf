// Finds the parts of an edge that an agent may not write: an action or a key that the kind does not list for agents, and
// values that the kind refuses. A new action or key is closed to agents until its kind lists it. Pure: no I/O, no clock.

import type { AgentLimits, KindTable } from '../../policy/kind.ts'
import type { FoundProblem } from '@sallyport/protocol/found-problem'
import { policiesOf } from './check-policies.ts'
import type { ReadEdge } from '../schema/edge-schema.ts'
import { stepsOf } from '../schema/steps-of.ts'
import type { StepInPlace } from '../schema/steps-of.ts'

const OPERATORS_ONLY = 'is possible only in the configuration of the relay'

/**
 * @param written the agent's own words, without defaults; the schema has let them pass
 * @param read the result of the schema for the same edge
 */
export function* agentProblems(
  kinds: KindTable,
  written: ReadEdge,
  read: ReadEdge,
  limits: AgentLimits,
): Iterable<FoundProblem> {
  for (const { policy, path } of policiesOf(written, [])) {
    for (const step of stepsOf(policy, kinds)) {
      for (const problem of reachProblems(step)) yield { ...problem, path: [...path, ...step.path, ...problem.path] }
    }
  }
  for (const { policy, path } of policiesOf(read, [])) {
    for (const { kind, config, path: stepPath } of stepsOf(policy, kinds)) {
      for (const { path: inside, message } of kind.checkOfAgent?.(config, limits) ?? []) {
        yield { path: [...path, ...stepPath, 'config', ...inside], message }
      }
    }
  }
}

/** Parts that only the operator may write; paths start at the action. */
function* reachProblems({ type, kind, config }: StepInPlace): Iterable<FoundProblem> {
  const keys = kind.agentMayWrite
  if (keys === 'nothing') {
    yield { path: ['type'], message: `${type} ${OPERATORS_ONLY}` }
    return
  }
  for (const key of Object.keys(config ?? {})) {
    if (!keys.includes(key)) yield { path: ['config', key], message: OPERATORS_ONLY }
  }
}

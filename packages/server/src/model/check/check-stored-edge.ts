// Finds the parts of an edge that an edge of the store may not have: what names a file of the relay, and what the kind of
// an action does not list for the store. A new key is closed until its kind lists it. Pure: no I/O, no clock.

import type { FoundProblem } from '@sallyport/protocol/found-problem'

import { policiesOf } from './check-policies.ts'
import type { ReadEdge } from '../schema/edge-schema.ts'
import { stepsOf } from '../schema/steps-of.ts'
import type { StepInPlace } from '../schema/steps-of.ts'
import type { KindTable } from '../../policy/kind.ts'

const FILE_ONLY = 'is possible only in relay.yml'

/**
 * @param written without defaults, in the current form; the schema has let it pass
 * @param read the result of the schema for the same edge
 */
export function* storedEdgeProblems(kinds: KindTable, written: ReadEdge, read: ReadEdge): Iterable<FoundProblem> {
  if (written.pages?.logo_file !== undefined) yield { path: ['pages', 'logo_file'], message: FILE_ONLY }
  for (const { policy, path } of policiesOf(written, [])) {
    for (const step of stepsOf(policy, kinds)) {
      for (const problem of keyProblems(step)) yield { ...problem, path: [...path, ...step.path, ...problem.path] }
    }
  }
  for (const { policy, path } of policiesOf(read, [])) {
    for (const { kind, config, path: stepPath } of stepsOf(policy, kinds)) {
      for (const { path: inside, message } of kind.checkOfStore?.(config) ?? []) {
        yield { path: [...path, ...stepPath, 'config', ...inside], message }
      }
    }
  }
}

/** Paths start at the action. */
function* keyProblems({ type, kind, config }: StepInPlace): Iterable<FoundProblem> {
  const { agentMayWrite, storeMayHave } = kind
  if (agentMayWrite === 'nothing' && !storeMayHave) {
    yield { path: ['type'], message: `${type} ${FILE_ONLY}` }
    return
  }
  const keys = [...(agentMayWrite === 'nothing' ? [] : agentMayWrite), ...(storeMayHave ?? [])]
  if (kind.inside) keys.push('actions') // each is looked at by itself
  for (const key of Object.keys(config ?? {})) {
    if (!keys.includes(key)) yield { path: ['config', key], message: FILE_ONLY }
  }
}

// What can still be checked of an edge if its schema refuses a part of a policy. Pure: no I/O, no clock.

import type { ConfigPath, FoundProblem } from '@sallyport/protocol/found-problem'

import { PHASES, type Phase, type Step } from '../../policy/kind.ts'

// Each costs a copy of the lists around it, and a policy of an agent may have thousands of problems.
const PROBLEMS_MAX = 64

/** Passes every check. */
const PLACEHOLDERS: Readonly<Record<Phase, Step>> = {
  on_tcp_connect: { type: 'close-connection', config: {} },
  on_http_request: { type: 'deny', config: {} },
  on_http_response: { type: 'compress-response', config: {} },
}

/**
 * A copy of an edge in which placeholders stand for the refused actions and conditions, so that one mistake in a policy does
 * not hide those in its other expressions.
 * @param problems of its schema; paths from the edge
 * @returns undefined if something else is refused as well, or too much
 */
export function withoutBadSteps(edge: unknown, problems: readonly FoundProblem[]): unknown {
  if (problems.length > PROBLEMS_MAX) return undefined
  let copy = edge
  for (const { path } of problems) {
    const found = placeholderFor(path)
    if (!found) return undefined
    copy = replacedAt(copy, found.path, found.placeholder)
  }
  return copy
}

/** The action or the condition in which a problem is: `…, phase, rule, actions, index`. */
function placeholderFor(path: ConfigPath): { path: ConfigPath; placeholder: unknown } | undefined {
  const at = path.findIndex((step) => PHASES.some((phase) => phase === step))
  const [phase, , list, index] = path.slice(at)
  if (at === -1 || typeof index !== 'number') return undefined
  const place = path.slice(0, at + 4)
  if (list === 'expressions') return { path: place, placeholder: 'true' }
  return list === 'actions' ? { path: place, placeholder: PLACEHOLDERS[phase as Phase] } : undefined // it is one of PHASES
}

/** @param path of a value that exists */
function replacedAt(tree: unknown, [step, ...further]: ConfigPath, value: unknown): unknown {
  if (step === undefined || typeof tree !== 'object' || tree === null) return value
  const copy: object = Array.isArray(tree) ? [...(tree as unknown[])] : { ...tree }
  Reflect.set(copy, step, replacedAt(Reflect.get(tree, step), further, value))
  return copy
}

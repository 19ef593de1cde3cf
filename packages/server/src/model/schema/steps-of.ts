// Walks all actions of a policy, including actions inside others. Pure: no I/O, no clock.

import { PHASES, kindOf } from '../../policy/kind.ts'
import type { Kind, KindTable, Phase, Step } from '../../policy/kind.ts'
import type { ConfigPath } from '@sallyport/protocol/found-problem'

/** The form that a policy always has: written, read and complete. */
export type PolicyForm = { readonly [P in Phase]?: readonly RuleForm[] | undefined }

interface RuleForm {
  readonly expressions?: readonly string[]
  readonly actions: readonly Step[]
}

export interface StepInPlace extends Step {
  readonly kind: Kind
  readonly phase: Phase
  /** From the policy to the action. */
  readonly path: ConfigPath
}

export interface ConditionInPlace {
  readonly expression: string
  readonly phase: Phase
  /** From the policy to the expression. */
  readonly path: ConfigPath
}

/** The conditions of all rules, in the order of the policy. */
export function* conditionsOf(policy: PolicyForm | undefined): Generator<ConditionInPlace> {
  for (const phase of PHASES) {
    for (const [rule, { expressions = [] }] of (policy?.[phase] ?? []).entries()) {
      for (const [index, expression] of expressions.entries()) {
        yield { expression, phase, path: [phase, rule, 'expressions', index] }
      }
    }
  }
}

/** In the order of the policy; an action before the actions inside it. Only for policies that their schema has let pass. */
export function* stepsOf(policy: PolicyForm | undefined, kinds: KindTable): Generator<StepInPlace> {
  for (const phase of PHASES) {
    for (const [rule, { actions }] of (policy?.[phase] ?? []).entries()) {
      yield* stepsIn(actions, phase, [phase, rule, 'actions'], kinds)
    }
  }
}

function* stepsIn(steps: readonly Step[], phase: Phase, path: ConfigPath, kinds: KindTable): Generator<StepInPlace> {
  for (const [index, { type, config }] of steps.entries()) {
    const kind = kindOf(kinds, type)
    if (!kind) throw new TypeError(`no action is called ${type}`) // the schema lets no other pass
    const place = [...path, index]
    yield { type, config, kind, phase, path: place }
    yield* stepsIn(kind.inside?.(config) ?? [], phase, [...place, 'config', 'actions'], kinds)
  }
}

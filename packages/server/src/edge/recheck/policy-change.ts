// How the policy of a route differs from an earlier one, for exchanges that the earlier one has let in. Only actions that may
// refuse a visitor count: other headers or another line in the log cut nobody off. Pure: no I/O, no clock.

import type { PolicyConfig } from '../../model/edge-config.ts'
import { hasLanguage } from '../../policy/conditions.ts'
import { PHASES, kindOf } from '../../policy/kind.ts'
import type { Phase, Step } from '../../policy/kind.ts'
import { KINDS } from '../../policy/kinds.ts'
import type { OnConnect } from '../edge.ts'
import { isSameValue } from '../same-value.ts'

/** Everything that decides who may pass a route. */
export interface Guarded {
  /** The rules of the edge. */
  readonly onConnect: OnConnect | undefined
  readonly policy: PolicyConfig
}

/**
 * `none` if it refuses nobody whom the earlier one lets in; `sign-ins` if it differs only in sign-ins, which are as many as
 * before; `rules` in all other cases.
 */
export type PolicyChange = 'none' | 'sign-ins' | 'rules'

export function changeBetween(before: Guarded, after: Guarded): PolicyChange {
  const [earlier, present] = [guardsOf(before), guardsOf(after)]
  if (isSameValue(earlier, present) || PHASES.every((phase) => present[phase].length === 0)) return 'none'
  return isSameValue(withoutSignIns(earlier), withoutSignIns(present)) ? 'sign-ins' : 'rules'
}

interface Rule {
  readonly expressions: readonly string[]
  readonly actions: readonly Step[]
}

type Rules = Readonly<Record<Phase, readonly Rule[]>>

/** The rules that may refuse a visitor. If one of them has an expression, that may read the results of others: then all. */
function guardsOf({ onConnect = [], policy }: Guarded): Rules {
  const all = rulesOf({ on_tcp_connect: onConnect, ...policy }, (actions) => actions)
  const guards = rulesOf(all, (actions) => actions.filter(({ type }) => !kindOf(KINDS, type)?.isNoGuard))
  return hasLanguage(guards) ? all : guards
}

function withoutSignIns(rules: Rules): Rules {
  return rulesOf(rules, (actions) => actions.map(withoutSignIn))
}

function withoutSignIn(step: Step): Step {
  const kind = kindOf(KINDS, step.type)
  if (kind?.signIns) return { type: 'a sign-in', config: undefined }
  const inside = kind?.inside?.(step.config)
  return inside ? { ...step, config: inside.map(withoutSignIn) } : step
}

/** The rules with other actions. A rule without actions is left out; names mean nothing. */
function rulesOf(
  rules: Readonly<Record<Phase, readonly (Pick<Rule, 'actions'> & Partial<Rule>)[]>>,
  actionsOf: (actions: readonly Step[]) => readonly Step[],
): Rules {
  const ofPhase = (phase: Phase): Rule[] =>
    rules[phase].flatMap(({ expressions = [], actions: written }) => {
      const actions = actionsOf(written)
      return actions.length > 0 ? [{ expressions, actions }] : []
    })
  return {
    on_tcp_connect: ofPhase('on_tcp_connect'),
    on_http_request: ofPhase('on_http_request'),
    on_http_response: ofPhase('on_http_response'),
  }
}

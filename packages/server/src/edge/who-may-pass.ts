// Describes who may pass a route, for the operator and for the people whose agents serve it. Pure.

import { VISITORS_LINES_MAX, VISITORS_MAX_CHARS, forwardedWords, whoMayVisit } from '@sallyport/protocol'

import type { PolicyConfig, RouteConfig, RuleConfig } from '../model/edge-config.ts'
import { kindOf } from '../policy/kind.ts'
import type { Phase, Step } from '../policy/kind.ts'
import type { OnConnect } from './edge.ts'
import { KINDS } from '../policy/kinds.ts'
import { isInternalHost } from '../values/hosts/internal-host.ts'

/** For rules that have conditions. Only the expressions say for whom they hold. */
const CONDITIONAL_WORDS = 'if the conditions of the policy allow it'

/**
 * The conditions that every visitor of a route has to satisfy, for example `from 10.0.0.0/8, and sign-in at
 * login.example.com`.
 */
export function whoMayPass(policy: PolicyConfig, onConnect: OnConnect = []): string {
  return whoMayVisit([...wordsOf(onConnect), ...wordsOf(policy.on_http_request)])
}

/** Whether a route has no condition, except for excluded addresses. */
export function isOpenToAll({ on_http_request: rules }: PolicyConfig, onConnect: OnConnect = []): boolean {
  return ![...onConnect, ...rules].some(({ expressions, actions }) => !expressions && actions.some(asksSomething))
}

/**
 * Describes for an agent who may visit the routes that lead to it, in as many words as `bound` has room for.
 * @param hosts of the edge
 */
export function visitorsOf(
  routes: readonly RouteConfig[],
  onConnect: OnConnect = [],
  hosts: readonly string[] = [],
): string[] {
  const lines = whoMayPassEach(routes, onConnect)
  const told = hosts.some(isInternalHost) ? lines.map(forwardedWords) : lines
  return told.map((line) => (line.length > VISITORS_MAX_CHARS ? `${line.slice(0, VISITORS_MAX_CHARS - 1)}…` : line))
}

/** One line if all routes agree; otherwise one line for each path, up to a few. */
function whoMayPassEach(routes: readonly RouteConfig[], onConnect: OnConnect): string[] {
  const words = routes.map(({ policy }) => whoMayPass(policy, onConnect))
  if (new Set(words).size <= 1) return words.slice(0, 1)
  const lines = routes.map((route, index) => `${pathOf(route)}: ${words[index]!}`) // one for each
  const more = lines.length - VISITORS_LINES_MAX
  return more > 0 ? [...lines.slice(0, VISITORS_LINES_MAX - 1), `and ${more + 1} more paths`] : lines
}

/** The path of a route as people write it: `/docs/*`. */
export function pathOf(route: RouteConfig): string {
  return route.exact_path ?? `${route.path_prefix}${route.path_prefix.endsWith('/') ? '' : '/'}*`
}

function wordsOf(rules: readonly RuleConfig<Phase>[]): string[] {
  return rules.flatMap(({ expressions, actions }) => {
    const words = actions.map(asksOf).filter((each) => each !== undefined)
    return expressions && words.length > 0 ? [CONDITIONAL_WORDS] : words
  })
}

/** The condition of an action for a visitor; undefined without one. */
function asksOf({ type, config }: Step): string | undefined {
  return kindOf(KINDS, type)?.asks(config, asksOf)
}

function asksSomething(step: Step): boolean {
  const isOpen = kindOf(KINDS, step.type)?.isOpen?.(step.config) ?? asksOf(step) === undefined
  return !isOpen
}

// Makes the closure that runs the policy of a route. The closure gives the exchange the rules for responses, which run
// when the head of the app's answer passes. No rule runs for the relay's own answers.

import type { Action, ResponseAction } from '../exchange/action.ts'
import type { PolicyConfig } from '../model/edge-config.ts'
import type { Builder, PolicyParts, ResponseBuilder } from './builder.ts'
import { BUILDERS, RESPONSE_BUILDERS } from './builders.ts'
import { compose } from './compose.ts'
import type { Policy } from './compose.ts'
import { holdsOf, rememberingOf, ruleWords } from './conditions.ts'
import type { Holds } from './conditions.ts'
import { kindOf } from './kind.ts'
import type { Step } from './kind.ts'
import { KINDS } from './kinds.ts'
import type { Remembering } from './note-result.ts'

/** By the `type` of the action. Each gets only a `config` that the kind of this type has completed. */
export type BuilderTable = Readonly<Record<string, Builder<never>>>
export type ResponseBuilderTable = Readonly<Record<string, ResponseBuilder<never>>>

/**
 * @param builders by default for the actions in docs/configuration.md
 * @param responseBuilders the same for responses
 */
export function buildPolicy(
  config: PolicyConfig,
  parts: PolicyParts,
  builders: BuilderTable = BUILDERS,
  responseBuilders: ResponseBuilderTable = RESPONSE_BUILDERS,
): Policy {
  const within = { ...parts, ...rememberingOf(config) }
  const onRequest = compose(
    config.on_http_request.map((rule, index) => ({
      holds: holdsOf(rule, 'on_http_request', index, parts),
      actions: rule.actions.map(requestActions(within, builders, ruleWords(rule, 'on_http_request', index))),
    })),
  )
  if (config.on_http_response.length === 0) return onRequest
  const waits = config.on_http_response.some(({ actions }) => actions.some(({ type }) => kindOf(KINDS, type)?.waits))
  const rules = (waits ? waitingInOrder : inOrder)(
    config.on_http_response.map((rule, index) => ({
      holds: holdsOf(rule, 'on_http_response', index, parts),
      // its kind has completed it
      actions: rule.actions.map(({ type, config: written }) =>
        builderOf(responseBuilders, type)(written as never, {
          ...within,
          rule: ruleWords(rule, 'on_http_response', index),
        }),
      ),
    })),
  )
  return (exchange, forward) => {
    exchange.onResponseHead = rules
    if (waits) exchange.waitsAtAnswer = true
    return onRequest(exchange, forward)
  }
}

function requestActions(
  parts: PolicyParts & Remembering,
  builders: BuilderTable,
  rule: string,
): (step: Step) => Action {
  const build = ({ type, config }: Step): Action => builderOf(builders, type)(config as never, site) // its kind has completed it
  const site = { ...parts, build, rule }
  return build
}

function builderOf<T>(builders: Readonly<Record<string, T>>, type: string): T {
  const builder = Object.hasOwn(builders, type) ? builders[type] : undefined
  if (!builder) throw new TypeError(`nothing builds ${type}`) // the compiler has seen a builder for each kind
  return builder
}

interface ResponseRule {
  readonly holds: Holds | undefined
  readonly actions: readonly ResponseAction[]
}

/** The actions up to the first one that answers in the app's place. */
function inOrder(rules: readonly ResponseRule[]): ResponseAction {
  return (exchange, answer) => {
    for (const { holds, actions } of rules) {
      if (holds && !holds(exchange, answer)) continue
      for (const action of actions) {
        void action(exchange, answer) // no promise: none of these actions waits
        if (answer.instead) return
      }
    }
  }
}

/** The same, if an action is asynchronous. */
function waitingInOrder(rules: readonly ResponseRule[]): ResponseAction {
  return async (exchange, answer) => {
    for (const { holds, actions } of rules) {
      if (holds && !holds(exchange, answer)) continue
      for (const action of actions) {
        await action(exchange, answer)
        if (answer.instead) return
      }
    }
  }
}

// Makes the closure that decides about connections of visitors to an edge, by its rules of `on_tcp_connect`. The edge is
// not certain at SNI, and one HTTP/2 connection may carry requests to several edges. So the rules run once per connection,
// when its first request to this edge has come. Behind a trusted proxy one connection carries many visitors, so the rules
// run for each request.

import type { ConnectionAction } from '../exchange/action.ts'
import type { Connection } from '../exchange/connection.ts'
import type { Exchange } from '../exchange/exchange.ts'
import { RelayError } from '../errors.ts'
import type { RuleConfig } from '../model/edge-config.ts'
import type { ConnectionBuilder, PolicyParts } from './builder.ts'
import { CONNECTION_BUILDERS } from './builders.ts'
import { holdsOf, rememberingOf, ruleWords } from './conditions.ts'
import type { Holds } from './conditions.ts'

/**
 * Decides about the connection of an exchange, and ends it without an answer if it may not stay.
 * @returns whether the exchange continues
 * @throws RelayError if an expression fails: the exchange is refused
 */
export type ConnectionGate = (exchange: Exchange) => boolean

/** By the `type` of the action. Each gets only a `config` that the kind of this type has completed. */
type BuilderTable = Readonly<Record<string, ConnectionBuilder<never>>>

const PHASE = 'on_tcp_connect'

/** @returns undefined for an edge without such rules */
export function buildConnectionGate(
  rules: readonly RuleConfig<typeof PHASE>[] = [],
  parts: PolicyParts,
  builders: BuilderTable = CONNECTION_BUILDERS,
): ConnectionGate | undefined {
  if (rules.length === 0) return undefined
  const refusalOf = inOrder(builtRules(rules, parts, builders))
  const admitted = new WeakSet<Connection>()
  return (exchange) => {
    const { connection } = exchange
    if (admitted.has(connection)) return true
    const refusal = refusalOf(exchange)
    if (refusal) {
      end(exchange, refusal)
      return false
    }
    // Results of this phase end with it, because later requests on this connection would not see them.
    exchange.policyMemory = undefined
    exchange.results = undefined
    if (!connection.isFromProxy) admitted.add(connection)
    return true
  }
}

interface ConnectionRule {
  readonly holds: Holds | undefined
  readonly actions: readonly ConnectionAction[]
}

function builtRules(
  rules: readonly RuleConfig<typeof PHASE>[],
  parts: PolicyParts,
  builders: BuilderTable,
): ConnectionRule[] {
  const within = { ...parts, ...rememberingOf({ [PHASE]: rules }) }
  return rules.map((rule, index) => ({
    holds: holdsOf(rule, PHASE, index, parts),
    actions: rule.actions.map(({ type, config }) => {
      const build = Object.hasOwn(builders, type) ? builders[type] : undefined
      if (!build) throw new TypeError(`nothing builds ${type}`) // the compiler has seen a builder for each kind
      return build(config as never, { ...within, rule: ruleWords(rule, PHASE, index) }) // its kind has completed it
    }),
  }))
}

function inOrder(rules: readonly ConnectionRule[]): ConnectionAction {
  return (exchange) => {
    for (const { holds, actions } of rules) {
      if (holds && !holds(exchange)) continue
      for (const action of actions) {
        const refusal = action(exchange)
        if (refusal) return refusal
      }
    }
    return undefined
  }
}

function end(exchange: Exchange, refusal: Error): void {
  if (refusal instanceof RelayError) exchange.error = refusal // for the log
  exchange.cut(refusal)
  // A proxy's connection is not the visitor's alone.
  if (!exchange.connection.isFromProxy) exchange.connection.end()
}

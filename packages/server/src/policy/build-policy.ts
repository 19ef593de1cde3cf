// From the policy of a route, as configured, to the closure that runs it. Response rules come first: they only
// note what to change on the app's answer; the relay's own answers stay as they are.

import type { Action } from '../exchange/action.ts'
import type { PolicyConfig } from '../model/edge-config.ts'
import type { Builder, PolicyParts } from './builder.ts'
import { BUILDERS } from './builders.ts'
import { compose } from './compose.ts'
import type { Policy } from './compose.ts'
import type { Phase, Step } from './kind.ts'

/** By the `type` of the action. Each gets only a `config` that the kind of this type has completed. */
export type BuilderTable = Readonly<Record<string, Builder<never>>>

/** @param builders by default for the actions in docs/configuration.md */
export function buildPolicy(config: PolicyConfig, parts: PolicyParts, builders: BuilderTable = BUILDERS): Policy {
  const onResponse = config.on_http_response.flatMap(({ actions }) => actions)
  const onRequest = config.on_http_request.flatMap(({ actions }) => actions)
  return compose([
    ...onResponse.map(builderIn('on_http_response', parts, builders)),
    ...onRequest.map(builderIn('on_http_request', parts, builders)),
  ])
}

function builderIn(phase: Phase, parts: PolicyParts, builders: BuilderTable): (step: Step) => Action {
  const build = ({ type, config }: Step): Action => {
    const builder = Object.hasOwn(builders, type) ? builders[type] : undefined
    if (!builder) throw new TypeError(`nothing builds ${type}`) // the compiler has seen a builder for each kind
    return builder(config as never, site) // its kind has completed it
  }
  const site = { ...parts, phase, build }
  return build
}

// What builds an action, and what all of them work with.

import type { Action } from '../exchange/action.ts'
import type { BasicAuthParts } from './basic-auth/basic-auth.ts'
import type { JwtValidationParts } from './jwt-validation/jwt-validation.ts'
import type { ConfigOf, Kind, Phase, Step } from './kind.ts'
import type { OpenidConnectParts } from './openid-connect/openid-connect.ts'
import type { ServiceTokenParts } from './service-token/service-token.ts'

/** What the actions of one edge work with. */
export type PolicyParts = BasicAuthParts & JwtValidationParts & OpenidConnectParts & ServiceTokenParts

/** Where an action is built. */
export interface Site extends PolicyParts {
  readonly phase: Phase
  /** Builds an action inside. */
  readonly build: (step: Step) => Action
}

/** Thinks once, and returns a small closure for every request. */
export type Builder<Config> = (config: Config, site: Site) => Action

/** For each kind of a table, the builder that takes what it completes. */
export type BuildersOf<Kinds extends Readonly<Record<string, Kind>>> = {
  readonly [T in keyof Kinds]: Builder<ConfigOf<Kinds[T]>>
}

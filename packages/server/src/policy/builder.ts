// The type of a builder, and the services that builders share.

import type { Action } from '../exchange/action.ts'
import type { BasicAuthParts } from './basic-auth/basic-auth.ts'
import type { JwtValidationParts } from './jwt-validation/jwt-validation.ts'
import type { ConfigOf, Kind, Phase, Step } from './kind.ts'
import type { OpenidConnectParts } from './openid-connect/openid-connect.ts'
import type { ServiceTokenParts } from './service-token/service-token.ts'

/** The services for the actions of one edge. */
export type PolicyParts = BasicAuthParts & JwtValidationParts & OpenidConnectParts & ServiceTokenParts

/** The services, and the place in a policy. */
export interface Site extends PolicyParts {
  readonly phase: Phase
  /** Builds an action inside. */
  readonly build: (step: Step) => Action
}

/** Does the work that is the same for all requests, and returns a small closure that runs for each. */
export type Builder<Config> = (config: Config, site: Site) => Action

/** A builder for each kind of a table, which takes the complete `config` of this kind. */
export type BuildersOf<Kinds extends Readonly<Record<string, Kind>>> = {
  readonly [T in keyof Kinds]: Builder<ConfigOf<Kinds[T]>>
}

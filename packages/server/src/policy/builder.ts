// The type of a builder, and the services that builders share.

import type { Action, ConnectionAction, ResponseAction } from '../exchange/action.ts'
import type { BasicAuthParts } from './basic-auth/basic-auth.ts'
import type { CircuitBreakerParts } from './circuit-breaker/circuit-breaker.ts'
import type { ForwardInternalParts } from './forward-internal/forward-internal.ts'
import type { HttpRequestParts } from './http-request/try-once.ts'
import type { JwtValidationParts } from './jwt-validation/jwt-validation.ts'
import type { ConfigOf, Kind, Phase, Step } from './kind.ts'
import type { LogParts, LogPlace } from './log/log.ts'
import type { Remembering } from './note-result.ts'
import type { OpenidConnectParts } from './openid-connect/openid-connect.ts'
import type { RateLimitParts } from './rate-limit/rate-limit.ts'
import type { RestrictIpsParts } from './restrict-ips/restrict-ips.ts'
import type { ServiceTokenParts } from './service-token/service-token.ts'
import type { SourcesParts } from './sources/sources.ts'
import type { VerifyWebhookParts } from './verify-webhook/verify-webhook.ts'

/** The services for the actions of one edge. */
export type PolicyParts = BasicAuthParts &
  CircuitBreakerParts &
  ForwardInternalParts &
  HttpRequestParts &
  JwtValidationParts &
  LogParts &
  OpenidConnectParts &
  RateLimitParts &
  RestrictIpsParts &
  ServiceTokenParts &
  SourcesParts &
  VerifyWebhookParts

/** The services, and the action's place in a policy. */
export interface Site extends PolicyParts, LogPlace, Remembering {
  /** Builds an action inside this one. */
  readonly build: (step: Step) => Action
}

/** Does the work that is the same for all requests, and returns a small closure that runs for each. */
export type Builder<Config> = (config: Config, site: Site) => Action

/** The same for responses: the closure sees the head of an app's answer. */
export type ResponseBuilder<Config> = (config: Config, parts: PolicyParts & LogPlace & Remembering) => ResponseAction

/** The same for connections. */
export type ConnectionBuilder<Config> = (
  config: Config,
  parts: PolicyParts & LogPlace & Remembering,
) => ConnectionAction

type Kinds = Readonly<Record<string, Kind>>

/** `T` for a kind that is possible in the phase. */
type Within<P extends Phase, K extends Kind, T> = P extends K['phases'][number] ? T : never

/** A builder for each kind of a table that is possible on requests. It takes the complete `config` of this kind. */
export type BuildersOf<K extends Kinds> = {
  readonly [T in keyof K as Within<'on_http_request', K[T], T>]: Builder<ConfigOf<K[T]>>
}

/** The same for connections. */
export type ConnectionBuildersOf<K extends Kinds> = {
  readonly [T in keyof K as Within<'on_tcp_connect', K[T], T>]: ConnectionBuilder<ConfigOf<K[T]>>
}

/** The same for responses. */
export type ResponseBuildersOf<K extends Kinds> = {
  readonly [T in keyof K as Within<'on_http_response', K[T], T>]: ResponseBuilder<ConfigOf<K[T]>>
}

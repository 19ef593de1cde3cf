// From the policy of a route, as configured, to the closure that runs it. Response rules come first: they only
// note what to change on the app's answer; the relay's own answers stay as they are.

import type { AdmittingAction, PolicyConfig, RequestAction, ResponseAction } from '../model/edge-config.ts'
import type { JwtValidationConfig } from './jwt-validation/jwt-validation-schema.ts'
import type { OpenidConnectConfig } from './openid-connect/openid-connect-schema.ts'
import type { Action } from '../exchange/action.ts'
import { anyOf } from './any-of/any-of.ts'
import { basicAuth } from './basic-auth/basic-auth.ts'
import { compose } from './compose.ts'
import type { Policy } from './compose.ts'
import { deny } from './deny/deny.ts'
import { addHeaders, removeHeaders } from './edit-headers/edit-headers.ts'
import type { PasswordQueue } from './basic-auth/password-queue.ts'
import type { PasswordTries } from './basic-auth/password-tries.ts'
import { requireServiceToken } from './service-token/service-token.ts'
import { restrictIps } from './restrict-ips/restrict-ips.ts'
import type { ServiceTokens } from './service-token/service-tokens.ts'
import type { Identify } from '../identity/signed-identity.ts'

/** What the actions of one edge work with. */
export interface PolicyParts {
  edgeId: string
  /** Who shares turns with whom: the edge itself, or all endpoints of an authtoken. */
  tenant: string
  clock: () => number
  passwordTries: PasswordTries
  /** The one of the process. */
  passwordQueue: PasswordQueue
  serviceTokens: ServiceTokens
  identify: Identify
  /** Both made by oidc/, which alone knows how. */
  openidConnect: (config: OpenidConnectConfig) => Action
  jwtValidation: (config: JwtValidationConfig) => Action
}

export function buildPolicy(config: PolicyConfig, parts: PolicyParts): Policy {
  const onResponse = config.on_http_response.flatMap(({ actions }) => actions.map(buildResponseAction))
  const onRequest = config.on_http_request.flatMap(({ actions }) =>
    actions.map((action) => buildRequestAction(action, parts)),
  )
  return compose([...onResponse, ...onRequest])
}

function buildRequestAction(action: RequestAction, parts: PolicyParts): Action {
  switch (action.type) {
    case 'any-of':
      return anyOf(action.config.actions.map((one) => buildAdmittingAction(one, parts)))
    case 'deny':
      return deny(action.config)
    case 'add-headers':
      return addHeaders(action.config, 'request')
    case 'remove-headers':
      return removeHeaders(action.config, 'request')
    case 'openid-connect':
    case 'service-token':
    case 'jwt-validation':
    case 'basic-auth':
    case 'restrict-ips':
      return buildAdmittingAction(action, parts)
  }
}

function buildAdmittingAction(action: AdmittingAction, parts: PolicyParts): Action {
  switch (action.type) {
    case 'openid-connect':
      return parts.openidConnect(action.config)
    case 'service-token':
      return requireServiceToken(parts)
    case 'jwt-validation':
      return parts.jwtValidation(action.config)
    case 'basic-auth':
      return basicAuth(action.config, parts)
    case 'restrict-ips':
      return restrictIps(action.config)
  }
}

function buildResponseAction(action: ResponseAction): Action {
  switch (action.type) {
    case 'add-headers':
      return addHeaders(action.config, 'response')
    case 'remove-headers':
      return removeHeaders(action.config, 'response')
  }
}

// From the policy of a route, as configured, to the closure that runs it. Response rules come first: they only
// note what to change on the app's answer; the relay's own answers stay as they are.

import type { PolicyConfig, RequestAction, ResponseAction } from '../config/config.ts'
import type { OpenidConnectConfig } from '../config/config.ts'
import type { Action } from './action.ts'
import { compose } from './compose.ts'
import type { Policy } from './compose.ts'
import { deny } from './deny.ts'
import { addHeaders, removeHeaders } from './edit-headers.ts'
import { restrictIps } from './restrict-ips.ts'

/** @param openidConnect makes the sign-in action; only policy/oidc knows how */
export function buildPolicy(config: PolicyConfig, openidConnect: (config: OpenidConnectConfig) => Action): Policy {
  const onResponse = config.on_http_response.flatMap(({ actions }) => actions.map(buildResponseAction))
  const onRequest = config.on_http_request.flatMap(({ actions }) =>
    actions.map((action) => buildRequestAction(action, openidConnect)),
  )
  return compose([...onResponse, ...onRequest])
}

function buildRequestAction(action: RequestAction, openidConnect: (config: OpenidConnectConfig) => Action): Action {
  switch (action.type) {
    case 'openid-connect':
      return openidConnect(action.config)
    case 'restrict-ips':
      return restrictIps(action.config)
    case 'deny':
      return deny(action.config)
    case 'add-headers':
      return addHeaders(action.config, 'request')
    case 'remove-headers':
      return removeHeaders(action.config, 'request')
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

// `openid-connect` and `oauth`: visitors sign in at an identity provider. oidc/ does the work; oidc/gate/require-session.ts runs with
// each request.

import type { Action } from '../../exchange/action.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import type { EdgeSignIns } from '../../oidc/edge-sign-ins.ts'
import { noteResult } from '../note-result.ts'
import type { Remembering } from '../note-result.ts'
import type { OpenidConnectConfig } from './openid-connect-schema.ts'

export interface OpenidConnectParts {
  /** The edge's own. */
  signIns: Pick<EdgeSignIns, 'action'>
}

/** @param result the name under which expressions read its result */
export function openidConnect(
  config: OpenidConnectConfig,
  { signIns, remembers }: OpenidConnectParts & Remembering,
  result: 'oidc' | 'oauth' = 'oidc',
): Action {
  const action = signIns.action(config)
  if (!remembers) return action
  return (exchange, next) =>
    action(exchange, () => {
      noteIdentity(exchange, result)
      return next()
    })
}

/** If a visitor passes without an identity, the result has none, and `has(actions.ngrok.oidc.identity)` is false. */
function noteIdentity(exchange: Exchange, result: 'oidc' | 'oauth'): void {
  const { identity } = exchange
  if (!identity) return noteResult(exchange, result, {})
  const { subject, name, email, accessToken } = identity
  noteResult(exchange, result, {
    identity: {
      id: subject,
      provider_user_id: subject,
      ...(name !== undefined && { name }),
      ...(email !== undefined && { email }),
    },
    ...(accessToken !== undefined && { access_token: accessToken }),
  })
}

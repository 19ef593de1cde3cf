// `openid-connect`: visitors sign in at an identity provider. oidc/ does the work; oidc/gate/require-session.ts runs with each
// request.

import type { Action } from '../../exchange/action.ts'
import type { EdgeSignIns } from '../../oidc/edge-sign-ins.ts'
import type { OpenidConnectConfig } from './openid-connect-schema.ts'

export interface OpenidConnectParts {
  /** The edge's own. */
  signIns: Pick<EdgeSignIns, 'action'>
}

export function openidConnect(config: OpenidConnectConfig, { signIns }: OpenidConnectParts): Action {
  return signIns.action(config)
}

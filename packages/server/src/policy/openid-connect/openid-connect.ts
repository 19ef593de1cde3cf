// `openid-connect`: visitors sign in at an identity provider. oidc/ knows how; gate/require-session.ts is what runs.

import type { IssuerReach } from '../../config/issuer-reach.ts'
import type { Action } from '../../exchange/action.ts'
import type { SignIn } from '../../oidc/sign-in.ts'
import type { OpenidConnectConfig } from './openid-connect-schema.ts'

export interface OpenidConnectParts {
  edgeId: string
  signIn: Pick<SignIn, 'action'>
  /** Where the providers may be, of an edge that an agent has brought. */
  issuers: IssuerReach | undefined
}

export function openidConnect(config: OpenidConnectConfig, { edgeId, signIn, issuers }: OpenidConnectParts): Action {
  return signIn.action(config, edgeId, issuers)
}

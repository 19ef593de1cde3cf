// What the steps of sign-in share. Made once, in SignIn.open.

import type { Attempts } from '../../exchange/attempts.ts'
import type { OnFault } from '../../exchange/border.ts'
import type { AccessTokens } from './access-token.ts'
import type { BoxContents, Boxes } from './boxes.ts'
import type { ClaimsRefresh } from './claims-refresh.ts'
import type { IdentityTokens } from '../identity-tokens.ts'
import type { Logger } from '../../log.ts'
import type { Registration } from './registration.ts'
import type { Sessions } from './sessions.ts'

/** What a sign-in under way must still find when the answer comes. */
export type SignInName = Pick<BoxContents['state'], 'edge' | 'authId' | 'issuer' | 'clientId'>

export interface SignInParts {
  /** The relay's own origin, where the shared callback lives. */
  publicOrigin: string
  boxes: Boxes
  sessions: Sessions
  claimsRefresh: ClaimsRefresh
  accessTokens: AccessTokens
  identityTokens: IdentityTokens
  attempts: Attempts
  clock: () => number
  log: Logger
  onFault: OnFault
  /** The sign-in that a `state` was sealed for; undefined where its edge has it no more, or with another issuer or client. */
  findRegistration(of: SignInName): Registration | undefined
  /** One that takes sessions of this scope; undefined where none does any more. */
  registrationOf(scope: string): Registration | undefined
}

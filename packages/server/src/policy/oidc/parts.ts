// What the steps of sign-in share. Made once, in SignIn.open.

import type { Attempts } from '../../exchange/attempts.ts'
import type { AccessTokens } from './access-token.ts'
import type { Boxes } from './boxes.ts'
import type { ClaimsRefresh } from './claims-refresh.ts'
import type { IdentityTokens } from '../identity-tokens.ts'
import type { Logger } from '../../log.ts'
import type { Registration } from './registration.ts'
import type { Sessions } from './sessions.ts'

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
  /** Undefined where the edge has no such sign-in, or has none any more. */
  findRegistration(edgeId: string, authId: string): Registration | undefined
  /** One that takes sessions of this scope; undefined where none does any more. */
  registrationOf(scope: string): Registration | undefined
}

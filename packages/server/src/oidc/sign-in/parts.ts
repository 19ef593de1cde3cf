// The parts that the steps of sign-in share. They are made once, in SignIn.open.

import type { Attempts } from '../../exchange/attempts.ts'
import type { OnFault } from '../../exchange/border.ts'
import type { AccessTokens } from '../tokens/access-token.ts'
import type { Boxes } from '../../seal/boxes.ts'
import type { ClaimsRefresh } from '../tokens/claims-refresh.ts'
import type { IdentityTokens } from '../../identity/identity-tokens.ts'
import type { Logger } from '../../log.ts'
import type { Registration } from '../registration/registration.ts'
import type { Sessions } from '../../session/sessions.ts'
import type { SignInName } from '../../seal/sign-in-name.ts'

/** Whether a sign-in under way is still valid, or why not, for the log. */
export type FoundRegistration = { ok: true; registration: Registration } | { ok: false; detail: string }

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
  /**
   * The sign-in for which a `state` was sealed. Not found if its edge no longer has the sign-in, or has it with another
   * issuer or client.
   */
  findRegistration(of: SignInName & { host: string }): FoundRegistration
  /** The origin of a host of an edge; undefined if the edge does not serve it any more. */
  originOf(edgeId: string, host: string): string | undefined
  /** A registration that takes sessions of this scope; undefined if none does any more. */
  registrationOf(scope: string): Registration | undefined
}

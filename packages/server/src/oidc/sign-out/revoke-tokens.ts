// Revokes the tokens of an ended session at the provider (RFC 7009). It uses openid-client, so it is loaded only with
// the first revocation.

import { tokenRevocation } from 'openid-client'

import type { Registration } from '../registration/registration.ts'
import type { Tokens } from '../../session/session-tokens.ts'

/** Does nothing if the provider has no revocation endpoint. @throws an error for reasonOf() */
export async function revokeTokens({ refreshToken, accessToken }: Tokens, registration: Registration): Promise<void> {
  const { configuration, metadata } = await registration.ready()
  if (metadata.revocation_endpoint === undefined) return
  // RFC 7009 2.1: with a refresh token its access tokens SHOULD go, and with an access token the refresh token MAY.
  if (refreshToken !== undefined) {
    await tokenRevocation(configuration, refreshToken, { token_type_hint: 'refresh_token' })
  }
  if (accessToken !== undefined) {
    await tokenRevocation(configuration, accessToken.value, { token_type_hint: 'access_token' })
  }
}

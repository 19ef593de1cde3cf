// The key by which apps know that a header is ours.

import { ConfigError } from '../errors.ts'
import { IdentityTokens } from '../identity/identity-tokens.ts'
import type { IdentityTokensInit } from '../identity/identity-tokens.ts'

/** A key that the database does not fit must not stay in the place of the one that is missing: a copy would be made of it. */
export async function openIdentityTokens(init: IdentityTokensInit): Promise<IdentityTokens> {
  try {
    return await IdentityTokens.open(init)
  } catch (error) {
    if (error instanceof ConfigError) await init.keys.discardMade()
    throw error
  }
}

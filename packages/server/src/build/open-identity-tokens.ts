// The key by which apps verify that a header is the relay's.

import { ConfigError } from '../errors.ts'
import { IdentityTokens } from '../identity/identity-tokens.ts'
import type { IdentityTokensInit } from '../identity/identity-tokens.ts'

/** A key that does not fit the database must not replace the missing one: people would back it up. */
export async function openIdentityTokens(init: IdentityTokensInit): Promise<IdentityTokens> {
  try {
    return await IdentityTokens.open(init)
  } catch (error) {
    if (error instanceof ConfigError) await init.keys.discardMade()
    throw error
  }
}

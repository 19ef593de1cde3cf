// The keys of one `jwt-validation`: those of each issuer, by its discovery document, or those of the URLs in the policy.

import type { CryptoKey } from 'jose'

import type { Logger } from '../../log.ts'
import { KeySet, discoverKeys } from '../../oidc/provider/key-set.ts'
import { ProviderUnreachable, type ProviderFetch } from '../../oidc/provider/provider-fetch.ts'
import type { JwtRules } from '../../oidc/provider/verify-jwt.ts'
import type { JwtValidationConfig } from './jwt-validation-schema.ts'

export interface JwtKeysParts {
  /** Sends a request to an issuer, or a URL of keys, of the policy. */
  fetchFrom: (home: string, caFile: string | undefined) => ProviderFetch
  clock: () => number
  log: Logger
}

export function compileKeys(
  { issuer, jws, provider_ca_file }: JwtValidationConfig,
  { fetchFrom, clock, log }: JwtKeysParts,
): JwtRules['findKey'] {
  const setOf = (home: string, locate: (fetch: ProviderFetch) => Promise<string>): KeySet => {
    const fetch = fetchFrom(home, provider_ca_file)
    return new KeySet({ locate: () => locate(fetch), fetch, clock, log })
  }
  const { additional_jkus, shared_secret } = jws.keys.sources
  if (shared_secret) return () => Promise.reject(new TypeError('a shared secret leaves nothing to find'))
  if (additional_jkus) {
    const sets = additional_jkus.map((url) => setOf(url, async () => url))
    return (_, header, token) => findInAny(sets, header, token)
  }
  // Each issuer by its own keys: one must not be able to sign for another.
  const sets = new Map(
    issuer.allow_list.map(({ value }) => [value, setOf(value, (fetch) => discoverKeys(value, fetch, log))]),
  )
  return (iss, header, token) =>
    findInAny(
      [sets.get(iss)].filter((set) => set !== undefined),
      header,
      token,
    )
}

async function findInAny(sets: readonly KeySet[], ...of: Parameters<KeySet['find']>): Promise<CryptoKey> {
  let failure: unknown
  for (const set of sets) {
    try {
      return await set.find(...of)
    } catch (error) {
      // A key set that cannot be fetched may have had the key: that is not the token's fault.
      if (!(failure instanceof ProviderUnreachable)) failure = error
    }
  }
  throw failure
}

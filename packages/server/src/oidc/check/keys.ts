// Checks the keys for ID tokens: whether they can be fetched, and whether one fits.

import type { OpenidConnectConfig } from '../../policy/openid-connect/openid-connect-schema.ts'
import { acceptableAlgorithms } from '../provider/id-token.ts'
import { ProviderUnreachable, type ProviderFetch } from '../provider/provider-fetch.ts'
import { fine, listed, problem, type Finding } from './finding.ts'
import { explainUnreachable } from './unreachable.ts'

/** @param written the provider's jwks_uri, which must be usable */
export async function checkKeys(
  written: string,
  algorithms: readonly string[] | undefined,
  config: OpenidConnectConfig,
  fetch: ProviderFetch,
): Promise<Finding[]> {
  if (config.id_token_alg === 'HS256') return [] // the client secret is the key
  const url = new URL(written)
  let response: Response
  try {
    response = await fetch(url.href)
  } catch (error) {
    if (!(error instanceof ProviderUnreachable)) throw error
    return [problem('keys', explainUnreachable(url, error))]
  }
  const keys = response.status === 200 ? keysIn(await response.text()) : undefined
  if (!keys)
    return [problem('keys', `${url.href} has no keys (HTTP ${response.status}), so no ID token can be verified`)]
  const wanted = acceptableAlgorithms(algorithms)
  const usable = keys.filter((key) => key.use !== 'enc' && wanted.some((algorithm) => fits(key, algorithm)))
  if (wanted.length === 0 || usable.length > 0) {
    return [fine('keys', `${usable.length} of ${keys.length} can verify ID tokens`)]
  }
  const kinds = keys.map(({ kty, alg }) => String(alg ?? kty))
  return [
    problem(
      'keys',
      keys.length === 0
        ? `${url.href} lists no key; give the provider a key to sign with, or write id_token_alg: HS256 if it signs with the client secret`
        : `none of its keys (${listed(kinds)}) is for ${listed(wanted)}, which it signs with`,
    ),
  ]
}

interface Key {
  kty: unknown
  alg: unknown
  use: unknown
}

function keysIn(text: string): Key[] | undefined {
  try {
    const set: unknown = JSON.parse(text)
    if (typeof set !== 'object' || set === null || !('keys' in set) || !Array.isArray(set.keys)) return undefined
    return (set.keys as unknown[]).filter((key): key is Key => typeof key === 'object' && key !== null)
  } catch {
    return undefined // not JSON: the caller says that there are none
  }
}

/** RFC 7518 3.1 and RFC 8037 3.1: the kind of key that an algorithm takes. */
function fits({ kty, alg }: Key, algorithm: string): boolean {
  if (alg !== undefined && alg !== algorithm) return false
  if (algorithm.startsWith('RS') || algorithm.startsWith('PS')) return kty === 'RSA'
  return kty === (algorithm.startsWith('ES') ? 'EC' : 'OKP')
}

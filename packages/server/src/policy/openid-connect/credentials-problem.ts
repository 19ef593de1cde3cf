// Compares the keys for the relay's own authentication at a provider. Pure: no I/O, no clock.

import type { OneSignIn } from './openid-connect-schema.ts'

/** @returns the problem, as the end of a sentence */
export function credentialsProblem({
  client_authentication: method,
  client_secret,
  client_key,
  id_token_alg,
}: Pick<OneSignIn, 'client_authentication' | 'client_secret' | 'client_key' | 'id_token_alg'>): string | undefined {
  if (client_key !== undefined) {
    if (method !== undefined && method !== 'private_key_jwt') return `${method} uses no key; remove client_key`
  } else if (method === 'private_key_jwt') return 'private_key_jwt needs a key; add client_key: { file: … }'
  const usesSecret = method === 'client_secret_basic' || method === 'client_secret_post'
  if (usesSecret && client_secret === undefined) return 'needs a secret; add client_secret'
  const sendsNone = method === 'none' || client_key !== undefined
  if (sendsNone && client_secret !== undefined && id_token_alg !== 'HS256') {
    return 'the client_secret would never be used; remove it, or choose client_secret_basic'
  }
  return undefined
}

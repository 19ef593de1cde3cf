// The algorithms for tokens that are verified with a published key. Never `none`, never a shared secret.

/** Names of RFC 7518 3.1, RFC 8037 3.1 and RFC 9864. */
export const PUBLIC_KEY_ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const

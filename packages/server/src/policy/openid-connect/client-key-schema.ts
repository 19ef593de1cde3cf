// The private key with which the relay authenticates at a provider (OpenID Connect Core 9, private_key_jwt).
// Pure: no I/O, no clock.

import { z } from 'zod'

import { text } from '../../values/value-schemas.ts'

const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'Ed25519'] as const

export const clientKeySchema = z.strictObject({
  file: text()
    .describe('PEM, the private key: RSA of 2048 bits or more, EC or Ed25519. Read at the start of the relay.')
    .meta({ examples: ['/etc/sallyport/client.key'] }),
  alg: z
    .enum(ALGORITHMS)
    .exactOptional()
    .describe('How it signs. By default what its kind suggests: RS256, ES256, ES384, ES512 or Ed25519.'),
  kid: text().max(256).exactOptional().describe('Its name in the key set at the provider.'),
  audience: z
    .enum(['issuer', 'token_endpoint'])
    .default('issuer')
    .describe('The audience of the signed statement. `token_endpoint` only if the provider insists, as Okta does.'),
})

/** `file` is absolute once the configuration is complete. */
export type ClientKeyConfig = z.output<typeof clientKeySchema>

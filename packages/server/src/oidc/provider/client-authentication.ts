// How the relay proves to a provider which client it is. Pure: no I/O; the clock is openid-client's.

import type { CryptoKey } from 'jose'
import {
  ClientSecretPost,
  None,
  PrivateKeyJwt,
  modifyAssertion,
  type ClientAuth,
  type ServerMetadata,
} from 'openid-client'

import type { OpenidConnectConfig } from '../../policy/openid-connect/openid-connect-schema.ts'

export type ClientAuthenticationMethod = NonNullable<OpenidConnectConfig['client_authentication']>

/** The method in the configuration, or else a method that the provider offers, basic first. */
export function clientAuthenticationMethod(
  { client_secret, client_key, client_authentication }: OpenidConnectConfig,
  {
    token_endpoint_auth_methods_supported: offered,
  }: Readonly<Pick<ServerMetadata, 'token_endpoint_auth_methods_supported'>>,
): ClientAuthenticationMethod {
  if (client_authentication) return client_authentication
  if (client_key) return 'private_key_jwt'
  if (!client_secret) return 'none'
  // OpenID Connect Discovery 3: "If omitted, the default is client_secret_basic."
  return !Array.isArray(offered) || offered.includes('client_secret_basic')
    ? 'client_secret_basic'
    : 'client_secret_post'
}

/**
 * The same, for openid-client.
 * @param clientKey the result of readClientKey() for `client_key`
 */
export function clientAuthentication(
  config: OpenidConnectConfig,
  metadata: Readonly<ServerMetadata>,
  clientKey: CryptoKey | undefined,
): ClientAuth {
  const secret = config.client_secret?.reveal()
  switch (clientAuthenticationMethod(config, metadata)) {
    case 'client_secret_basic':
      return basicCredentials(secret ?? '')
    case 'client_secret_post':
      return ClientSecretPost(secret)
    case 'private_key_jwt':
      if (!clientKey) throw new TypeError('private_key_jwt without a key') // credentials-problem.ts has refused it
      return signedStatement(config, metadata, clientKey)
    case 'none':
      return None()
  }
}

/**
 * RFC 6749 2.3.1 has id and secret form-encoded before they become Basic credentials, and many providers (Glewlwyd is
 * one) do not decode them. We do not encode characters that need no encoding, so that both kinds of providers read the
 * same; openid-client encodes `-_.~`, too.
 */
function basicCredentials(secret: string): ClientAuth {
  return (_server, { client_id }, _body, headers) => {
    const credentials = Buffer.from(`${formEncoded(client_id)}:${formEncoded(secret)}`, 'utf8')
    headers.set('authorization', `Basic ${credentials.toString('base64')}`)
  }
}

/** RFC 6749 appendix B, but with `~` not encoded. Providers that decode take both forms; others take only this form. */
function formEncoded(text: string): string {
  return encodeURIComponent(text).replace(/%20|[!*'()]/g, (found) =>
    found === '%20' ? '+' : `%${found.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

function signedStatement(
  { client_key }: OpenidConnectConfig,
  { token_endpoint }: Readonly<ServerMetadata>,
  key: CryptoKey,
): ClientAuth {
  return PrivateKeyJwt(client_key?.kid === undefined ? key : { key, kid: client_key.kid }, {
    [modifyAssertion]: (_header, payload) => {
      // openid-client names the issuer as the audience, so no provider can pass the statement on to another provider.
      if (client_key?.audience === 'token_endpoint' && token_endpoint !== undefined) payload.aud = token_endpoint
    },
  })
}

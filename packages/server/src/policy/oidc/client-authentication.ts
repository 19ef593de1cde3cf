// How the relay proves to a provider which client it is. Pure: no I/O, no clock.

import { ClientSecretBasic, ClientSecretPost, None, type ClientAuth, type ServerMetadata } from 'openid-client'

import type { OpenidConnectConfig } from '../../config/config.ts'

export type ClientAuthenticationMethod = 'client_secret_basic' | 'client_secret_post' | 'none'

/** As the configuration says, or else what the provider offers, basic first. */
export function clientAuthenticationMethod(
  { client_secret, client_authentication }: OpenidConnectConfig,
  { token_endpoint_auth_methods_supported: offered }: Readonly<ServerMetadata>,
): ClientAuthenticationMethod {
  if (!client_secret) return 'none'
  // OpenID Connect Discovery 3: "If omitted, the default is client_secret_basic."
  const basic = offered === undefined || offered.includes('client_secret_basic')
  return client_authentication ?? (basic ? 'client_secret_basic' : 'client_secret_post')
}

/** The same, for openid-client. */
export function clientAuthentication(config: OpenidConnectConfig, metadata: Readonly<ServerMetadata>): ClientAuth {
  const secret = config.client_secret?.reveal()
  switch (clientAuthenticationMethod(config, metadata)) {
    case 'client_secret_basic':
      return ClientSecretBasic(secret)
    case 'client_secret_post':
      return ClientSecretPost(secret)
    case 'none':
      return None()
  }
}

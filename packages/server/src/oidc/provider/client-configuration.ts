// One client of one provider, in the form of openid-client. Pure: no I/O, no clock.

import type { CryptoKey } from 'jose'
import {
  Configuration,
  allowInsecureRequests,
  clockTolerance,
  customFetch,
  type CustomFetch,
  type ServerMetadata,
} from 'openid-client'

import type { OpenidConnectConfig } from '../../policy/openid-connect/openid-connect-schema.ts'
import { clientAuthentication } from './client-authentication.ts'
import { CLOCK_TOLERANCE_S } from './signed-token.ts'
import type { ProviderFetch } from './provider-fetch.ts'
import { mendingTokenAnswers } from './token-answer.ts'

export interface ProviderConnection {
  fetch: ProviderFetch
  timeoutMs: number
  /** Whether plain http is allowed: only to a provider on this machine. */
  isInsecure: boolean
}

/** @param clientKey the result of readClientKey() for `client_key` */
export function clientConfiguration(
  config: OpenidConnectConfig,
  metadata: Readonly<ServerMetadata>,
  clientKey: CryptoKey | undefined,
  { fetch, timeoutMs, isInsecure }: ProviderConnection,
): Configuration {
  const { client_id, client_secret } = config
  const configuration = new Configuration(
    metadata,
    client_id,
    {
      ...(client_secret && { client_secret: client_secret.reveal() }),
      [clockTolerance]: CLOCK_TOLERANCE_S,
    },
    clientAuthentication(config, metadata, clientKey),
  )
  configuration[customFetch] = mendingTokenAnswers(fetch, metadata.token_endpoint) as CustomFetch // its body is one of the kinds we send
  configuration.timeout = timeoutMs / 1000
  if (isInsecure) allowInsecureRequests(configuration)
  return configuration
}

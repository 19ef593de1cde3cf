// The input of the steps of the check that try a client. Types only.

import type { CryptoKey } from 'jose'
import type { ServerMetadata } from 'openid-client'

import type { OpenidConnectConfig } from '../../policy/openid-connect/openid-connect-schema.ts'
import type { ProviderConnection } from '../provider/client-configuration.ts'

export interface Client {
  config: OpenidConnectConfig
  metadata: Readonly<ServerMetadata>
  clientKey: CryptoKey | undefined
  connection: ProviderConnection
  redirectUri: string | undefined
}

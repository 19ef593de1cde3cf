// Fills in the values of an `openid-connect` that come from elsewhere: its name, its files, the top-level settings.
// Pure: no I/O, no clock.

import { resolve } from 'node:path'

import type { z } from 'zod'

import { authIdOf } from './auth-id.ts'
import type { OpenidConnectConfig, openidConnectSchema } from './openid-connect-schema.ts'

/** @param folder the start of relative paths */
export function completeSignIn(
  {
    auth_id,
    identity_jwt,
    client_key,
    provider_ca_file,
    alternatives,
    ...config
  }: z.output<typeof openidConnectSchema>,
  identityJwt: boolean,
  folder: string,
): OpenidConnectConfig {
  return {
    ...config,
    ...(client_key && { client_key: { ...client_key, file: resolve(folder, client_key.file) } }),
    ...(provider_ca_file !== undefined && { provider_ca_file: resolve(folder, provider_ca_file) }),
    auth_id: auth_id ?? authIdOf(config.issuer_url, config.client_id),
    identity_jwt: identity_jwt ?? identityJwt,
    ...(alternatives && { alternatives: alternatives.map((one) => completeSignIn(one, identityJwt, folder)) }),
  }
}

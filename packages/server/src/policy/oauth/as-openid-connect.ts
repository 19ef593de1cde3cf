// An `oauth` as the `openid-connect` that it stands for. Pure: no I/O, no clock.

import type { OneSignIn } from '../openid-connect/openid-connect-schema.ts'
import type { OauthProviders } from './oauth-providers.ts'
import { issuerOf } from './oauth-providers.ts'
import type { WrittenOauth } from './oauth-schema.ts'

/** `client_id`, and `tenant` for a provider with tenants, have been checked to be present. */
export function asOpenidConnect(written: WrittenOauth, providers: OauthProviders): OneSignIn {
  const {
    provider: name,
    tenant = '',
    client_id = '',
    scopes,
    authz_url_params,
    idle_session_timeout,
    email_addresses: emails,
    email_domains: domains,
    allow,
    ...same
  } = written
  const provider = providers[name]
  const people = { ...(emails && { emails }), ...(domains && { domains }), ...allow }
  const params = { ...provider.params, ...authz_url_params }
  return {
    title: provider.title,
    ...same,
    issuer_url: issuerOf(provider, tenant),
    client_id,
    scopes: [...new Set([...provider.scopes, ...scopes])],
    idle_session_duration: idle_session_timeout,
    ...(provider.client_authentication && { client_authentication: provider.client_authentication }),
    ...(Object.keys(params).length > 0 && { authz_url_params: params }),
    ...(Object.keys(people).length > 0 && { allow: people }),
  }
}

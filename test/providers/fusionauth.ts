// FusionAuth: a tenant's own path, an issuer that is `acme.com` until it is set, roles of the application, and
// ID tokens that are signed with the client secret unless a key is chosen.

import type { ProviderProfile } from './provider-profile.ts'

export const FUSIONAUTH: ProviderProfile = {
  name: 'FusionAuth',
  page: 'fusionauth.md',
  provider: {
    path: '/30663132-6464-6665-3032-326466613934',
    configure: {
      enabledJWA: { idTokenSigningAlgValues: ['HS256', 'RS256', 'ES256'] },
      claims: { openid: ['sub', 'email', 'email_verified', 'roles'], profile: ['name'] },
      scopes: ['openid', 'offline_access', 'profile', 'email'],
      routes: {
        authorization: '/oauth2/authorize',
        token: '/oauth2/token',
        userinfo: '/oauth2/userinfo',
        end_session: '/oauth2/logout',
        jwks: '/.well-known/jwks.json',
      },
    },
  },
  client: {
    client_id: '85a03867-dccf-4882-adde-1a79aeec50df',
    client_secret: 'super-secret-secret-that-should-be-regenerated-for-production',
    id_token_signed_response_alg: 'HS256',
  },
  signIn: { id_token_alg: 'HS256', allow: { groups: { claim: 'roles', any_of: ['reader'] } } },
  member: { sub: 'u-1', email: 'ada@example.com', email_verified: true, name: 'Ada', roles: ['reader'] },
  stranger: { sub: 'u-2', email: 'eve@example.com', email_verified: true, name: 'Eve', roles: [] },
}

/** As installed: every tenant calls itself `acme.com`. */
export const FUSIONAUTH_UNCONFIGURED: ProviderProfile = {
  ...FUSIONAUTH,
  name: 'FusionAuth, as it comes',
  provider: {
    ...FUSIONAUTH.provider,
    prepare: (provider) => {
      provider.use(async (context, next) => {
        await next()
        if (context.path.endsWith('/openid-configuration'))
          Object.assign(context.body as object, { issuer: 'acme.com' }) // the discovery document
      })
    },
  },
}

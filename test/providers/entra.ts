// Microsoft Entra ID: an issuer for each tenant, groups by their object ids, addresses without word on verification, and
// PKCE that is known and not listed.

import type { ProviderProfile } from './provider-profile.ts'

const DOCS = '0760b6cf-170e-4a14-91b3-4b78e0739963'

export const ENTRA: ProviderProfile = {
  name: 'Entra ID',
  page: 'entra.md',
  provider: {
    path: '/833ced3d-cb2e-41de-92f1-29e2af035ddc/v2.0',
    endpointsAtRoot: true,
    configure: {
      scopes: ['openid', 'offline_access', 'profile', 'email'],
      claims: { openid: ['sub', 'groups'], profile: ['name'], email: ['email'] },
      features: { revocation: { enabled: false } },
      routes: {
        authorization: '/833ced3d-cb2e-41de-92f1-29e2af035ddc/oauth2/v2.0/authorize',
        token: '/833ced3d-cb2e-41de-92f1-29e2af035ddc/oauth2/v2.0/token',
        userinfo: '/oidc/userinfo',
        jwks: '/833ced3d-cb2e-41de-92f1-29e2af035ddc/discovery/v2.0/keys',
        end_session: '/833ced3d-cb2e-41de-92f1-29e2af035ddc/oauth2/v2.0/logout',
      },
    },
    prepare: (provider) => {
      provider.use(async (context, next) => {
        await next()
        if (!context.path.endsWith('/openid-configuration')) return
        const document = context.body as Record<string, unknown> // the discovery document
        delete document['code_challenge_methods_supported']
        delete document['grant_types_supported']
      })
    },
  },
  client: {
    client_id: '00001111-aaaa-2222-bbbb-3333cccc4444',
    client_secret: 'aB~8Q~c.D-eF_gH1iJ2kL3mN4oP5qR6sT7uV8wX9',
    token_endpoint_auth_method: 'client_secret_post',
  },
  signIn: { client_authentication: 'client_secret_post', allow: { groups: { any_of: [DOCS] } } },
  member: { sub: 'AAA', email: 'ada@example.com', name: 'Ada', groups: [DOCS] },
  stranger: { sub: 'BBB', email: 'eve@example.com', name: 'Eve', groups: ['5f0b8a3c-0000-4a14-91b3-4b78e0739963'] },
}

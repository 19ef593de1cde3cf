// Descope: the project id is both the issuer's path and the client id, an access key is the secret, and the endpoints
// are outside the issuer's path.

import type { ProviderProfile } from './provider-profile.ts'

const PROJECT_ID = 'P2abcDEFghiJKLmnoPQRstuVWxyz'

export const DESCOPE: ProviderProfile = {
  name: 'Descope',
  page: 'descope.md',
  provider: {
    path: `/${PROJECT_ID}`,
    endpointsAtRoot: true,
    configure: {
      scopes: ['openid', 'profile', 'email'],
      claims: { openid: ['sub', 'roles'], profile: ['name'], email: ['email', 'email_verified'] },
      routes: {
        authorization: '/oauth2/v1/authorize',
        token: '/oauth2/v1/token',
        userinfo: '/oauth2/v1/userinfo',
        end_session: '/oauth2/v1/logout',
        jwks: '/.well-known/jwks.json',
      },
    },
  },
  client: {
    client_id: PROJECT_ID,
    client_secret: `K2${'aBcD'.repeat(30)}`,
    token_endpoint_auth_method: 'client_secret_post',
  },
  signIn: {
    client_authentication: 'client_secret_post',
    allow: { groups: { claim: 'roles', any_of: ['Tenant Admin'] } },
  },
  member: { sub: 'U1', email: 'ada@example.com', email_verified: true, name: 'Ada', roles: ['Tenant Admin'] },
  stranger: { sub: 'U2', email: 'eve@example.com', email_verified: true, name: 'Eve', roles: ['Viewer'] },
}

// JumpCloud: an issuer with a slash at its end, the secret in the Authorization header and nowhere else, groups if
// the application maps them. Its secrets hold characters that must be encoded there.

import type { ProviderProfile } from './provider-profile.ts'

export const JUMPCLOUD: ProviderProfile = {
  name: 'JumpCloud',
  page: 'jumpcloud.md',
  provider: {
    path: '/',
    configure: {
      clientAuthMethods: ['client_secret_basic'],
      scopes: ['openid', 'offline_access', 'profile', 'email'],
      claims: { openid: ['sub', 'groups'], profile: ['name'], email: ['email', 'email_verified'] },
      routes: {
        authorization: '/oauth2/auth',
        token: '/oauth2/token',
        userinfo: '/userinfo',
        jwks: '/.well-known/jwks.json',
      },
    },
  },
  client: {
    client_id: '4b8f6c1e-2d35-4a7b-9c0d-1e2f3a4b5c6d',
    client_secret: 'aB~1+c/D:e%20F_.-=',
    token_endpoint_auth_method: 'client_secret_basic',
  },
  signIn: { allow: { groups: { any_of: ['Docs'] } } },
  member: { sub: 'u-1', email: 'ada@example.com', email_verified: true, name: 'Ada', groups: ['Docs'] },
  stranger: { sub: 'u-2', email: 'eve@example.com', email_verified: true, name: 'Eve', groups: ['Sales'] },
}

// authentik: an issuer for each application, with a slash at its end, endpoints beside it that all applications share,
// groups in the scope `profile`, and addresses that are never called verified.

import type { ProviderProfile } from './provider-profile.ts'

export const AUTHENTIK: ProviderProfile = {
  name: 'authentik',
  page: 'authentik.md',
  provider: {
    path: '/application/o/docs/',
    endpointsAtRoot: true,
    configure: {
      scopes: ['openid', 'offline_access', 'profile', 'email'],
      claims: { openid: ['sub'], profile: ['name', 'groups'], email: ['email', 'email_verified'] },
      routes: {
        authorization: '/application/o/authorize/',
        token: '/application/o/token/',
        userinfo: '/application/o/userinfo/',
        jwks: '/application/o/docs-jwks/',
        end_session: '/application/o/docs-end-session/',
        revocation: '/application/o/revoke/',
      },
    },
  },
  client: {
    client_id: '9ZqXvT0aYw3kLr7nBs5dPf2hJc8mGe4u',
    client_secret: 'Sx7'.repeat(40),
  },
  signIn: { allow: { groups: { any_of: ['docs'] } } },
  member: { sub: 'a1', email: 'ada@example.com', email_verified: false, name: 'Ada', groups: ['docs', 'all'] },
  stranger: { sub: 'a2', email: 'eve@example.com', email_verified: false, name: 'Eve', groups: ['all'] },
}

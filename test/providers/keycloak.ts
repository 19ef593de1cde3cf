// Keycloak: realms below a path, a refresh token with every sign-in, groups without a path if the mapper is set up so,
// and back-channel logout. Its answers are those observed of Keycloak 26.7.3.

import { asSeen } from './as-seen.ts'
import type { ProviderProfile } from './provider-profile.ts'

export const KEYCLOAK: ProviderProfile = {
  name: 'Keycloak',
  page: 'keycloak.md',
  provider: {
    path: '/realms/staff',
    configure: {
      scopes: ['openid', 'offline_access', 'profile', 'email', 'roles'],
      claims: { openid: ['sub', 'groups', 'realm_access'], profile: ['name'], email: ['email', 'email_verified'] },
      issueRefreshToken: async () => true,
      features: { backchannelLogout: { enabled: true } },
      routes: {
        authorization: '/protocol/openid-connect/auth',
        token: '/protocol/openid-connect/token',
        userinfo: '/protocol/openid-connect/userinfo',
        jwks: '/protocol/openid-connect/certs',
        end_session: '/protocol/openid-connect/logout',
        revocation: '/protocol/openid-connect/revoke',
      },
    },
    prepare: asSeen({
      wrongCredentials: {
        status: 401,
        error: 'unauthorized_client',
        error_description: 'Invalid client or Invalid client credentials',
      },
      date: false,
      returnsNobody: true,
    }),
  },
  client: {
    client_id: 'sallyport',
    client_secret: 'kC9pL2xV7nB4mQ8wE1rT6yU3iO5aS0dF',
    grant_types: ['authorization_code', 'refresh_token'],
  },
  signIn: { allow: { groups: { any_of: ['docs'] } } },
  member: { sub: 'f:1', email: 'ada@example.com', email_verified: true, name: 'Ada', groups: ['docs'], realm_access: { roles: ['docs'] } }, // prettier-ignore
  stranger: { sub: 'f:2', email: 'eve@example.com', email_verified: true, name: 'Eve', groups: ['/staff/docs'], realm_access: { roles: [] } }, // prettier-ignore
}

// Glewlwyd 2.7.5: its own error codes and statuses at the token endpoint.

import { asSeen } from './as-seen.ts'
import type { ProviderProfile } from './provider-profile.ts'

export const GLEWLWYD: ProviderProfile = {
  name: 'Glewlwyd',
  provider: {
    path: '/api/oidc',
    configure: { claims: { openid: ['sub', 'groups'], profile: ['name'], email: ['email', 'email_verified'] } },
    prepare: asSeen({
      wrongCredentials: { status: 403, error: 'unauthorized_client' },
      wrongCode: { status: 403, error: 'invalid_code' },
    }),
  },
  client: { client_id: 'sallyport', client_secret: 'gW3pL2xV7nB4mQ8wE1rT6yU3iO5aS0dF' },
  signIn: { allow: { groups: { any_of: ['docs'] } } },
  member: { sub: 'g:1', email: 'ada@example.com', email_verified: true, name: 'Ada', groups: ['docs'] },
  stranger: { sub: 'g:2', email: 'eve@example.com', email_verified: true, name: 'Eve', groups: ['press'] },
}

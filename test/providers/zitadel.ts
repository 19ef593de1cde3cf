// The example server of zitadel/oidc v3.52.0: it checks the code before the secret.

import { asSeen } from './as-seen.ts'
import type { ProviderProfile } from './provider-profile.ts'

export const ZITADEL: ProviderProfile = {
  name: 'zitadel/oidc',
  provider: {
    configure: { claims: { openid: ['sub', 'groups'], profile: ['name'], email: ['email', 'email_verified'] } },
    prepare: asSeen({ wrongCredentials: { status: 400, error: 'invalid_grant', error_description: 'invalid code' } }),
  },
  client: { client_id: 'web', client_secret: 'zW3pL2xV7nB4mQ8wE1rT6yU3iO5aS0dF' },
  signIn: { allow: { groups: { any_of: ['docs'] } } },
  member: { sub: 'z:1', email: 'ada@example.com', email_verified: true, name: 'Ada', groups: ['docs'] },
  stranger: { sub: 'z:2', email: 'eve@example.com', email_verified: true, name: 'Eve', groups: ['press'] },
}

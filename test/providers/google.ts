// Google: an issuer without a path, no groups but the domain of a Workspace, and no way to sign out there.

import type { ProviderProfile } from './provider-profile.ts'

export const GOOGLE: ProviderProfile = {
  name: 'Google',
  page: 'google.md',
  provider: {
    configure: {
      scopes: ['openid', 'profile', 'email'],
      claims: { openid: ['sub', 'hd'], profile: ['name'], email: ['email', 'email_verified'] },
      features: { rpInitiatedLogout: { enabled: false } },
      routes: { authorization: '/o/oauth2/v2/auth', token: '/token', jwks: '/oauth2/v3/certs', revocation: '/revoke' },
    },
  },
  client: {
    client_id: '1234567890-abcdefghijklmnop.apps.googleusercontent.com',
    client_secret: 'GOCSPX-aBcDeFgHiJkLmNoPqRsTuVwXyZ01',
  },
  signIn: {
    authz_url_params: { hd: 'example.com' },
    allow: { claims: [{ claim: 'hd', any_of: ['example.com'] }] },
  },
  member: { sub: '110', email: 'ada@example.com', email_verified: true, name: 'Ada', hd: 'example.com' },
  stranger: { sub: '111', email: 'eve@example.com', email_verified: true, name: 'Eve' }, // no Workspace's account
}

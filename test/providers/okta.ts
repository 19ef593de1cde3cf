// Okta: an org authorization server at the bare host, and custom ones below /oauth2. PKCE can be required of an
// application. Groups come if the scope `groups` is requested and the groups claim is set up.

import type { ProviderProfile } from './provider-profile.ts'

const client = { client_id: '0oa1b2c3d4e5f6g7h5d7', client_secret: 'okta-client-secret-of-forty-characters-x' }
const signIn = {
  scopes: ['openid', 'profile', 'email', 'groups'],
  allow: { groups: { any_of: ['Docs Readers'] } },
}
const person = { sub: '00u1a2b3c4d5e6f7g8h9', email_verified: true }
const member = { ...person, email: 'ada@example.com', name: 'Ada', groups: ['Everyone', 'Docs Readers'] }
const stranger = { ...person, sub: '00u9', email: 'eve@example.com', name: 'Eve', groups: ['Everyone'] }

/** @param below the path before `/v1/…` */
function routes(below: string) {
  return {
    authorization: `${below}/v1/authorize`,
    token: `${below}/v1/token`,
    userinfo: `${below}/v1/userinfo`,
    jwks: `${below}/v1/keys`,
    end_session: `${below}/v1/logout`,
  }
}

export const OKTA_ORG: ProviderProfile = {
  name: 'Okta, org authorization server',
  page: 'okta.md',
  provider: { configure: { routes: routes('/oauth2'), pkce: { required: () => true } } },
  client,
  signIn,
  member,
  stranger,
}

export const OKTA_CUSTOM: ProviderProfile = {
  name: 'Okta, custom authorization server',
  page: 'okta.md',
  provider: { path: '/oauth2/default', configure: { routes: routes(''), pkce: { required: () => true } } },
  client,
  signIn,
  member,
  stranger,
}

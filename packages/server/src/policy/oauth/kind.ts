// The kind of `oauth`: a sign-in at a provider that is known by its name. It becomes an `openid-connect`. Pure: no I/O, no clock.

import type { FoundProblem } from '@sallyport/protocol/found-problem'

import { defineKind } from '../kind.ts'
import type { CheckPlace } from '../kind.ts'
import { signInProblems } from '../openid-connect/check-sign-in.ts'
import { completeSignIn } from '../openid-connect/complete-sign-in.ts'
import { asksToSignIn, waysOf } from '../openid-connect/kind.ts'
import { CLIENT_TEXTS } from '../openid-connect/openid-connect-schema.ts'
import type { OpenidConnectConfig } from '../openid-connect/openid-connect-schema.ts'
import { asOpenidConnect } from './as-openid-connect.ts'
import { issuerOf, OAUTH_PROVIDERS } from './oauth-providers.ts'
import type { OauthProviders } from './oauth-providers.ts'
import { oauthSchema } from './oauth-schema.ts'
import type { WrittenOauth } from './oauth-schema.ts'

export const oauthKind = oauthKindOf(OAUTH_PROVIDERS)

/** @param providers for tests, which have providers of their own */
export function oauthKindOf(providers: OauthProviders) {
  return defineKind({
    documentation:
      'Visitors sign in at Google, Microsoft, GitLab, LinkedIn or Twitch, through a client of your own. It is ngrok’s action, built on `openid-connect`. Needs https, except on loopback. See [Traffic policy](traffic-policy.md#oauth).',
    otherNames: [],
    phases: ['on_http_request'],
    admits: 'some',
    takesSecrets: true,
    // No cookie for other edges.
    agentMayWrite: [
      'provider',
      'tenant',
      'client_id',
      'client_secret',
      'scopes',
      'auth_id',
      'authz_url_params',
      'force_reauthentication',
      'allow_cors_preflight',
      'idle_session_timeout',
      'max_session_duration',
      'userinfo_refresh_interval',
      'email_addresses',
      'email_domains',
      'allow',
      'deny',
      'email_verified',
      'allowed_origins',
      'identity_jwt',
      'identity_groups',
      'forward_access_token',
      'title',
    ],
    storeMayHave: ['auth_cookie_domain'],
    secretKeys: ['client_secret'],
    secretsGoTo: ['provider', 'tenant', 'client_id'],
    schema: oauthSchema,
    prepared: CLIENT_TEXTS,
    complete: (written, { identityJwt, folder }): OpenidConnectConfig => ({
      ...completeSignIn(asOpenidConnect(written, providers), identityJwt, folder),
      ...(providers[written.provider].without_proof && { without_proof: true }),
    }),
    asks: asksToSignIn,
    check: (written, place) => oauthProblems(written, place, providers),
    *warnings({ without_proof, title }) {
      if (!without_proof) return
      yield `has oauth with ${title}, which neither takes PKCE nor repeats a nonce: anybody who learns a visitor’s code in time can sign in as that visitor`
    },
    signIns: waysOf,
    providers: waysOf,
  })
}

function* oauthProblems(written: WrittenOauth, place: CheckPlace, providers: OauthProviders): Iterable<FoundProblem> {
  const { provider: name, tenant, client_id, email_addresses, email_domains, allow } = written
  const provider = providers[name]
  const hasTenants = typeof provider.issuer === 'function'
  if (hasTenants && tenant === undefined) {
    const message = `is missing: without it, accounts of every tenant of ${provider.title} could sign in, whose email addresses nobody has verified; write the id of yours`
    yield { path: ['tenant'], message }
  }
  if (!hasTenants && tenant !== undefined) {
    yield { path: ['tenant'], message: `is only for microsoft; ${provider.title} has no tenants; remove it` }
  }
  if (email_addresses && allow?.emails)
    yield { path: ['email_addresses'], message: 'is allow.emails once more; write one list' }
  if (email_domains && allow?.domains)
    yield { path: ['email_domains'], message: 'is allow.domains once more; write one list' }
  if (client_id === undefined) {
    const uri = hasTenants && tenant === undefined ? undefined : place.redirectUri(issuerOf(provider, tenant ?? ''))
    const message = `is missing: ngrok’s own client at ${provider.title} cannot be used here; register one there with the redirect URI ${uri ?? 'that relay oidc redirect-uri prints'}, and write its client_id and client_secret`
    yield { path: ['client_id'], message }
    return
  }
  for (const { path, message } of signInProblems(asOpenidConnect(written, providers), place)) {
    yield path[0] === 'idle_session_duration' ? { path: ['idle_session_timeout'], message } : { path, message }
  }
}

// The kind of `openid-connect`. Pure: no I/O, no clock.

import { signInWords } from '@sallyport/protocol'
import type { NamedPeople } from '@sallyport/protocol'

import type { FoundProblem } from '@sallyport/protocol/found-problem'
import { defineKind } from '../kind.ts'
import type { AgentLimits } from '../kind.ts'
import { signInProblems } from './check-sign-in.ts'
import { completeSignIn } from './complete-sign-in.ts'
import { CLIENT_TEXTS, openidConnectSchema, type OneSignIn, type OpenidConnectConfig } from './openid-connect-schema.ts'

export const openidConnectKind = defineKind({
  documentation:
    'Visitors sign in at an identity provider. Needs https, except on loopback. Register what `relay oidc redirect-uri ISSUER` prints as redirect URI and `<public_url>/oidc/signed-out` as post-logout redirect URI at the provider.',
  otherNames: ['openid', 'oauth2'],
  olderNames: ['oidc'],
  phases: ['on_http_request'],
  admits: 'some',
  takesSecrets: true,
  // No file of the relay's machine, and no cookie for other edges.
  agentMayWrite: [
    'issuer_url',
    'client_id',
    'client_secret',
    'scopes',
    'auth_id',
    'client_authentication',
    'id_token_alg',
    'authz_url_params',
    'force_reauthentication',
    'allow_cors_preflight',
    'idle_session_duration',
    'max_session_duration',
    'userinfo_refresh_interval',
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
  secretsGoTo: ['issuer_url', 'client_id'],
  schema: openidConnectSchema,
  prepared: CLIENT_TEXTS.flatMap((text) => [text, { ...text, at: ['alternatives', ...text.at] }]),
  complete: (config, { identityJwt, folder }) => completeSignIn(config, identityJwt, folder),
  asks: asksToSignIn,
  check: signInProblems,
  checkOfAgent: inwardIssuers,
  signIns: waysOf,
  providers: waysOf,
})

/** Whom a sign-in lets pass, for people. */
export function asksToSignIn(config: OpenidConnectConfig): string {
  return signInWords(
    waysOf(config).map(({ issuer_url: issuer, allow, deny }) => ({
      issuer,
      allow: peopleOf(allow),
      deny: peopleOf(deny),
    })),
  )
}

/** The sign-in and its alternatives. */
export function waysOf(config: OpenidConnectConfig): OpenidConnectConfig[] {
  return [config, ...(config.alternatives ?? [])]
}

/** Only the operator may name a provider in the relay's own network. */
function* inwardIssuers(
  { alternatives = [], ...config }: OneSignIn & { alternatives?: readonly OneSignIn[] },
  { issuers }: AgentLimits,
): Iterable<FoundProblem> {
  for (const [place, { issuer_url }] of [config, ...alternatives].entries()) {
    const message = issuers.problemOf(new URL(issuer_url))
    if (message === undefined) continue
    yield { path: [...(place === 0 ? [] : ['alternatives', place - 1]), 'issuer_url'], message }
  }
}

function peopleOf(people: OpenidConnectConfig['allow']): NamedPeople {
  const claims = people?.claims?.flatMap(({ claim, any_of: values }) => {
    const name = typeof claim === 'string' ? claim : claim.join('.')
    return values.map((value) => `${name} ${value}`)
  })
  return { emails: people?.emails, domains: people?.domains, groups: people?.groups?.any_of, claims }
}

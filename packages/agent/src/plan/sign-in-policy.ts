// Turns the flags for sign-in into an action of a policy: `--oidc` or `--oauth`, and how long a session lasts. Pure: no I/O, no clock.
// The relay checks every value; this file finds only problems of the flags themselves.

import { Secret } from '@sallyport/protocol'
import type { ConfigProblem } from '@sallyport/protocol/config-error'

import { flagText } from './flag-text.ts'
import type { HttpPolicyOptions } from './agent-options.ts'

export interface SignInAction {
  readonly type: 'openid-connect' | 'oauth'
  readonly config: Record<string, unknown>
}

/** The sign-in that the flags ask for: one or none. */
export function signIn(options: HttpPolicyOptions, problems: ConfigProblem[]): SignInAction[] {
  const { oidc, oauth, maxSessionDuration, idleSessionDuration, forceReauthentication } = options
  if (oidc && oauth) {
    problems.push({ path: '--oauth', message: 'Visitors sign in at one provider; give either this or --oidc.' })
  }
  if (!oidc && !oauth) {
    const given = {
      '--max-session-duration': maxSessionDuration,
      '--idle-session-duration': idleSessionDuration,
      '--force-reauthentication': forceReauthentication,
    }
    const message = 'Nobody is asked to sign in without --oidc or --oauth, so there is no session.'
    for (const path of flagsWithValue(given)) problems.push({ path, message })
  }
  return [...openidConnect(options, problems), ...oauthAction(options, problems)]
}

/** An empty list is none. */
export function listAs(key: string, values: readonly string[]): Record<string, readonly string[]> {
  return values.length > 0 ? { [key]: values } : {}
}

function openidConnect(options: HttpPolicyOptions, problems: ConfigProblem[]): SignInAction[] {
  const { oidc, oidcClientId, oidcClientSecret, oidcScopes = [] } = options
  const { oidcAllowEmails = [], oidcAllowDomains = [], oidcAllowGroups = [], oidcGroupClaim, oidcIdTokenAlg } = options
  const given = {
    '--oidc-client-id': oidcClientId,
    '--oidc-client-secret': oidcClientSecret,
    '--oidc-scope': oidcScopes,
    '--oidc-allow-email': oidcAllowEmails,
    '--oidc-allow-domain': oidcAllowDomains,
    '--oidc-allow-group': oidcAllowGroups,
    '--oidc-group-claim': oidcGroupClaim,
    '--oidc-id-token-alg': oidcIdTokenAlg,
  }
  if (!oidc) {
    const message = 'Nobody is asked to sign in without --oidc, for example --oidc https://login.example.com'
    for (const path of flagsWithValue(given)) problems.push({ path, message })
    return []
  }
  if (!/^https?:\/\//i.test(oidc) || !URL.canParse(oidc)) {
    const message = `"${oidc}" is not an issuer. Write the URL that your identity provider calls itself, like https://login.example.com`
    problems.push({ path: '--oidc', message })
  }
  if (!oidcClientId) {
    problems.push({ path: '--oidc-client-id', message: 'Write the client id that the identity provider gave you.' })
  }
  if (oidcGroupClaim !== undefined && oidcAllowGroups.length === 0) {
    const message = 'Nothing is looked for in this claim without --oidc-allow-group.'
    problems.push({ path: '--oidc-group-claim', message })
  }
  const groupClaim = oidcGroupClaim === undefined ? {} : { claim: oidcGroupClaim }
  const allow = {
    ...listAs('emails', oidcAllowEmails),
    ...listAs('domains', oidcAllowDomains),
    ...(oidcAllowGroups.length > 0 && { groups: { ...groupClaim, any_of: oidcAllowGroups } }),
  }
  const config = {
    issuer_url: oidc,
    client_id: oidcClientId === undefined ? undefined : flagText(oidcClientId),
    ...(oidcClientSecret && { client_secret: new Secret(flagText(oidcClientSecret)) }),
    // Without openid a provider sends no ID token; a person should not have to know that.
    ...(oidcScopes.length > 0 && { scopes: [...new Set(['openid', ...oidcScopes])] }),
    ...(oidcIdTokenAlg !== undefined && { id_token_alg: oidcIdTokenAlg }),
    ...(Object.keys(allow).length > 0 && { allow }),
    ...sessionKeys(options, 'idle_session_duration'),
  }
  return [{ type: 'openid-connect', config }]
}

/** The relay says which providers there are, and what to register at one. */
function oauthAction(options: HttpPolicyOptions, problems: ConfigProblem[]): SignInAction[] {
  const { oauth, oauthClientId, oauthClientSecret, oauthTenant } = options
  const { oauthScopes = [], oauthAllowEmails = [], oauthAllowDomains = [] } = options
  if (!oauth) {
    const given = {
      '--oauth-client-id': oauthClientId,
      '--oauth-client-secret': oauthClientSecret,
      '--oauth-tenant': oauthTenant,
      '--oauth-scope': oauthScopes,
      '--oauth-allow-email': oauthAllowEmails,
      '--oauth-allow-domain': oauthAllowDomains,
    }
    const message = 'Nobody is asked to sign in without --oauth, for example --oauth google'
    for (const path of flagsWithValue(given)) problems.push({ path, message })
    return []
  }
  const config = {
    provider: oauth,
    ...(oauthClientId && { client_id: flagText(oauthClientId) }),
    ...(oauthClientSecret && { client_secret: new Secret(flagText(oauthClientSecret)) }),
    ...(oauthTenant && { tenant: oauthTenant }),
    ...listAs('scopes', oauthScopes),
    ...listAs('email_addresses', oauthAllowEmails),
    ...listAs('email_domains', oauthAllowDomains),
    ...sessionKeys(options, 'idle_session_timeout'),
  }
  return [{ type: 'oauth', config }]
}

/** @param idle the key for the time without use, which differs between the two actions, as at ngrok */
function sessionKeys(
  { maxSessionDuration, idleSessionDuration, forceReauthentication }: HttpPolicyOptions,
  idle: string,
): Record<string, unknown> {
  return {
    ...(maxSessionDuration !== undefined && { max_session_duration: maxSessionDuration }),
    ...(idleSessionDuration !== undefined && { [idle]: idleSessionDuration }),
    ...(forceReauthentication && { force_reauthentication: true }),
  }
}

function flagsWithValue(given: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(given).flatMap(([flag, value]) => {
    const isNone = value === undefined || value === false || (Array.isArray(value) && value.length === 0)
    return isNone ? [] : [flag]
  })
}

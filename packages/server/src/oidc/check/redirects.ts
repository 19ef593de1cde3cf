// Finds out without a user whether the relay's addresses are registered at a provider, by a sign-in and a sign-out of a
// browser that has no session there.

import { randomBytes } from 'node:crypto'

import {
  buildAuthorizationUrl,
  calculatePKCECodeChallenge,
  randomNonce,
  randomPKCECodeVerifier,
  randomState,
} from 'openid-client'

import { callbackPath } from '../../model/redirect-uri.ts'
import { clientConfiguration } from '../provider/client-configuration.ts'
import { ProviderUnreachable } from '../provider/provider-fetch.ts'
import type { Client } from './client.ts'
import { fine, problem, unchecked, type Finding } from './finding.ts'
import { explainUnreachable } from './unreachable.ts'

// OpenID Connect Core 3.1.2.6: the answer to `prompt=none` without a session.
const WANTS_A_USER = new Set([
  'login_required',
  'interaction_required',
  'account_selection_required',
  'consent_required',
])

/** Begins a sign-in that must end at once. If the provider comes back to the redirect URI, the URI is registered. */
export async function checkRedirectUri(client: Client): Promise<Finding> {
  const about = 'redirect URI'
  const { config, metadata, clientKey, connection, redirectUri } = client
  if (redirectUri === undefined) {
    const path = callbackPath(config.issuer_url)
    return unchecked(
      about,
      `not tried: it is <public_url>${path}; give the public_url with --config relay.yml or --public-url`,
    )
  }
  const url = buildAuthorizationUrl(clientConfiguration(config, metadata, clientKey, connection), {
    ...config.authz_url_params,
    prompt: 'none',
    response_type: 'code',
    redirect_uri: redirectUri,
    scope: config.scopes.join(' '),
    state: randomState(),
    nonce: randomNonce(),
    code_challenge: await calculatePKCECodeChallenge(randomPKCECodeVerifier()),
    code_challenge_method: 'S256',
  })
  let response: Response
  try {
    response = await connection.fetch(url.href)
  } catch (error) {
    if (!(error instanceof ProviderUnreachable)) throw error
    return unchecked(about, `not tried: ${explainUnreachable(url, error)}`)
  }
  const { status } = response
  if (status === 400) {
    return problem(
      about,
      `the provider refuses to begin a sign-in (HTTP 400), which usually means that ${redirectUri} is not registered for client ${config.client_id}`,
    )
  }
  const target = URL.parse(response.headers.get('location') ?? '', url.href)
  if (target === null || `${target.origin}${target.pathname}` !== redirectUri) {
    return unchecked(
      about,
      `only the first sign-in will show whether it is registered: the answer to a trial without a user was HTTP ${status}`,
    )
  }
  const code = target.searchParams.get('error')
  if (code === null || WANTS_A_USER.has(code)) return fine(about, 'registered: a trial without a user came back to it')
  const description = target.searchParams.get('error_description')
  return problem(
    about,
    `it is registered, but a sign-in would be refused with ${description === null ? code : `${code}: ${description}`}`,
  )
}

/** Requests the end of a session with our address, with an unregistered one, and without any. */
export async function checkPostLogout(client: Client, postLogoutUri: string | undefined): Promise<Finding[]> {
  const about = 'post-logout'
  const endpoint = client.metadata.end_session_endpoint
  if (endpoint === undefined) return [] // another finding reports the endpoints
  if (postLogoutUri === undefined) return [unchecked(about, 'not tried either, because the public_url is not known')]
  const outcome = (uri?: string): Promise<string> => askToSignOut(new URL(endpoint), client, uri)
  try {
    const ours = await outcome(postLogoutUri)
    if (ours === BACK) return [fine(about, 'registered: a trial without a user came back to it')]
    if (ours !== (await outcome(`${postLogoutUri}/${randomBytes(8).toString('hex')}`))) {
      return ours === REFUSED
        ? [
            unchecked(
              about,
              'only the first sign-out will show whether it is registered: the answers to trials contradict each other',
            ),
          ]
        : [fine(about, 'registered: the provider refuses others')]
    }
    if (ours === WANTS_HINT) {
      return [
        unchecked(
          about,
          'only the first sign-out will show whether it is registered: without an ID token (id_token_hint), the provider accepts no such address',
        ),
      ]
    }
    // The provider accepts neither address. Some providers refuse any sign-out of an unknown visitor.
    if (ours === (await outcome())) {
      return [
        unchecked(
          about,
          'only the first sign-out will show whether it is registered: a trial without a user shows nothing',
        ),
      ]
    }
  } catch (error) {
    if (!(error instanceof ProviderUnreachable)) throw error
    return [unchecked(about, `not tried: ${explainUnreachable(new URL(endpoint), error)}`)]
  }
  return [
    problem(
      about,
      `${postLogoutUri} is not registered for client ${client.config.client_id}: a sign-out would end on an error page there, and people stay signed in; register it`,
    ),
  ]
}

const BACK = 'back'
const REFUSED = 'refused'
const WANTS_HINT = 'wants a hint'

/** @returns the same text for the same kind of answer */
async function askToSignOut(endpoint: URL, { config, connection }: Client, uri: string | undefined): Promise<string> {
  // OpenID Connect RP-Initiated Logout 1.0, section 2
  endpoint.searchParams.set('client_id', config.client_id)
  if (uri !== undefined) endpoint.searchParams.set('post_logout_redirect_uri', uri)
  const response = await connection.fetch(endpoint.href)
  const { status } = response
  const location = response.headers.get('location') ?? ''
  const target = URL.parse(location, endpoint.href)
  const place = target === null ? undefined : `${target.origin}${target.pathname}`
  if (status < 400 && place === uri && uri !== undefined) return BACK
  // Section 2: "if it is not supplied with post_logout_redirect_uri, the OP MUST NOT perform post-logout redirection unless the
  // OP has other means of confirming the legitimacy". Ory Hydra then refuses every address, in these words.
  if (location.includes('id_token_hint') || (await response.text()).includes('id_token_hint')) return WANTS_HINT
  if (status >= 400) return REFUSED
  return place ?? `HTTP ${status}`
}

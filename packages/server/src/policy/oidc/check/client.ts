// What can be tried of a client without a user: whether the token endpoint takes its credentials, and whether the
// provider would come back to our redirect URI. Both by requests that cannot succeed: a made-up code, and
// `prompt=none` from a browser that has no session there.

import type { CryptoKey } from 'jose'
import {
  ClientError,
  ResponseBodyError,
  WWWAuthenticateChallengeError,
  buildAuthorizationUrl,
  calculatePKCECodeChallenge,
  genericGrantRequest,
  randomNonce,
  randomPKCECodeVerifier,
  randomState,
  type ServerMetadata,
} from 'openid-client'

import type { OpenidConnectConfig } from '../../../config/config.ts'
import { callbackPath } from '../../../config/redirect-uri.ts'
import { clientAuthenticationMethod, type ClientAuthenticationMethod } from '../client-authentication.ts'
import { clientConfiguration, type ProviderConnection } from '../client-configuration.ts'
import { ProviderUnreachable } from '../provider-fetch.ts'
import { fine, note, problem, type Finding } from './finding.ts'
import { explainUnreachable } from './unreachable.ts'

// Where no redirect URI is known; the code is made up as well.
const NOWHERE = 'https://relay.example.com/oidc/callback'

export interface Client {
  config: OpenidConnectConfig
  metadata: Readonly<ServerMetadata>
  clientKey: CryptoKey | undefined
  connection: ProviderConnection
  redirectUri: string | undefined
}

// ── credentials ──────────────────────────────────────────────────────────────────────────────────

type Answer =
  | { kind: 'error'; code: string; description: string | undefined }
  | { kind: 'rejected'; reason: string }
  | { kind: 'odd'; what: string }
  | { kind: 'unreachable'; why: string }

/** Sends a made-up code: `invalid_client` means that the credentials are wrong, `invalid_grant` that they are right. */
export async function checkCredentials(client: Client): Promise<Finding> {
  const { config, metadata } = client
  const about = 'credentials'
  const method = clientAuthenticationMethod(config, metadata)
  const answer = await redeemMadeUpCode(client)
  if (answer.kind === 'unreachable') return problem(about, answer.why)
  if (answer.kind === 'odd') return note(about, `the token endpoint ${answer.what}, which tells nothing about them`)
  if (!isRejection(answer)) return judgeError(answer, method)
  if (method === 'none') {
    return problem(
      about,
      `it does not take client ${config.client_id} without a secret (${said(answer)}); set client_secret, or make it a public client there`,
    )
  }
  if (method === 'private_key_jwt') {
    return problem(
      about,
      `it does not accept client ${config.client_id} with this key (${said(answer)}); register its public half there, and where the provider wants its token endpoint as the audience, set client_key.audience: token_endpoint`,
    )
  }
  const other = otherMethod(method)
  if (other && (await takes(client, other))) {
    return problem(
      about,
      `it takes this client id and secret with ${other} only (with ${method}: ${said(answer)}); set client_authentication: ${other}`,
    )
  }
  return problem(
    about,
    `it does not accept this client id and secret (${said(answer)}); copy both anew, and mind spaces and line ends`,
  )
}

async function redeemMadeUpCode({ config, metadata, clientKey, connection, redirectUri }: Client): Promise<Answer> {
  try {
    await genericGrantRequest(clientConfiguration(config, metadata, clientKey, connection), 'authorization_code', {
      code: `sallyport-check-${randomState()}`,
      redirect_uri: redirectUri ?? NOWHERE,
      code_verifier: randomPKCECodeVerifier(),
    })
    return { kind: 'odd', what: 'took a made-up code' }
  } catch (thrown) {
    for (let cause = thrown; cause instanceof Error; cause = cause.cause) {
      if (cause instanceof ProviderUnreachable) {
        return { kind: 'unreachable', why: explainUnreachable(new URL(metadata.token_endpoint!), cause) }
      }
    }
    if (thrown instanceof ResponseBodyError) {
      return { kind: 'error', code: thrown.error, description: thrown.error_description }
    }
    if (thrown instanceof WWWAuthenticateChallengeError) {
      const said = thrown.cause.map(({ parameters }) => parameters.error_description ?? parameters.error ?? 'no reason')
      return { kind: 'rejected', reason: `HTTP ${thrown.status}: ${said.join(', ')}` }
    }
    if (thrown instanceof ClientError) {
      const status = thrown.cause instanceof Response ? thrown.cause.status : undefined
      if (status === 401) return { kind: 'rejected', reason: 'HTTP 401' }
      return {
        kind: 'odd',
        what: status === undefined ? 'gave an unreadable answer' : `answered HTTP ${status} without a reason`,
      }
    }
    throw thrown
  }
}

const WITH: Readonly<Record<ClientAuthenticationMethod, string>> = {
  client_secret_basic: 'id and secret',
  client_secret_post: 'id and secret',
  private_key_jwt: 'id and key',
  none: 'without a secret',
}

function judgeError({ code, description }: Answer & { kind: 'error' }, method: ClientAuthenticationMethod): Finding {
  const about = 'credentials'
  const reason = description === undefined ? code : `${code}: ${description}`
  switch (code) {
    case 'invalid_grant': // RFC 6749 5.2: the code is invalid, and the client is not
      return fine(about, `it takes this client ${WITH[method]}`)
    case 'unauthorized_client':
    case 'unsupported_grant_type':
      return problem(about, `this client may not use authorization codes (${reason}); allow that grant for it there`)
    default:
      return note(about, `the token endpoint answered a made-up code with ${reason}, which tells nothing about them`)
  }
}

function isRejection(answer: Answer): answer is Answer & { kind: 'rejected' | 'error' } {
  return answer.kind === 'rejected' || (answer.kind === 'error' && answer.code === 'invalid_client')
}

function said(answer: Answer & { kind: 'rejected' | 'error' }): string {
  if (answer.kind === 'rejected') return answer.reason
  return answer.description === undefined ? answer.code : `${answer.code}: ${answer.description}`
}

/** The other way to send a secret. */
function otherMethod(method: string): 'client_secret_basic' | 'client_secret_post' | undefined {
  if (method === 'client_secret_basic') return 'client_secret_post'
  return method === 'client_secret_post' ? 'client_secret_basic' : undefined
}

async function takes(client: Client, method: 'client_secret_basic' | 'client_secret_post'): Promise<boolean> {
  const answer = await redeemMadeUpCode({ ...client, config: { ...client.config, client_authentication: method } })
  return answer.kind === 'error' && answer.code === 'invalid_grant'
}

// ── redirect URI ─────────────────────────────────────────────────────────────────────────────────

// OpenID Connect Core 3.1.2.6: what `prompt=none` is answered with where nobody is signed in.
const WANTS_A_USER = new Set([
  'login_required',
  'interaction_required',
  'account_selection_required',
  'consent_required',
])

/** Begins a sign-in that must end at once. A provider that comes back to the redirect URI has it registered. */
export async function checkRedirectUri(client: Client): Promise<Finding> {
  const about = 'redirect URI'
  const { config, metadata, clientKey, connection, redirectUri } = client
  if (redirectUri === undefined) {
    const path = callbackPath(config.issuer_url)
    return note(about, `not tried: it is <public_url>${path}, and --config relay.yml tells the public_url`)
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
    return note(about, `not tried: ${explainUnreachable(url, error)}`)
  }
  const { status } = response
  if (status === 400) {
    return problem(
      about,
      `the provider refuses to begin a sign-in (HTTP 400), which mostly means that ${redirectUri} is not registered for client ${config.client_id}`,
    )
  }
  const target = URL.parse(response.headers.get('location') ?? '', url.href)
  if (target === null || `${target.origin}${target.pathname}` !== redirectUri) {
    return note(
      about,
      `whether it is registered shows at the first sign-in: a trial without a user was answered with HTTP ${status}`,
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

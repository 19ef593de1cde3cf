// Finds out without a user whether the token endpoint accepts the credentials of a client. It sends an invented code
// twice, once with the given credentials and once with wrong ones. Providers answer in many ways, but a difference
// between the two answers shows the result.

import { randomBytes } from 'node:crypto'

import type { CryptoKey } from 'jose'
import {
  ClientError,
  ResponseBodyError,
  WWWAuthenticateChallengeError,
  genericGrantRequest,
  randomPKCECodeVerifier,
  randomState,
} from 'openid-client'

import { Secret } from '@sallyport/protocol'

import { clientAuthenticationMethod, type ClientAuthenticationMethod } from '../provider/client-authentication.ts'
import { clientConfiguration } from '../provider/client-configuration.ts'
import { ProviderUnreachable } from '../provider/provider-fetch.ts'
import type { Client } from './client.ts'
import { fine, problem, unchecked, type Finding } from './finding.ts'
import { explainUnreachable } from './unreachable.ts'

// Used if no redirect URI is known, because the code is invented as well.
const NOWHERE = 'https://relay.example.com/oidc/callback'
const ABOUT = 'credentials'

/** An error code of RFC 6749 5.2, or a text of the same form. */
interface ErrorAnswer {
  kind: 'error'
  status: number
  code: string
  description: string | undefined
}

type Refusal = ErrorAnswer | { kind: 'rejected'; reason: string }
type Answer = Refusal | { kind: 'odd'; what: string } | { kind: 'unreachable'; why: string }

export async function checkCredentials(client: Client): Promise<Finding> {
  const method = clientAuthenticationMethod(client.config, client.metadata)
  const answer = await redeemMadeUpCode(client)
  if (answer.kind === 'unreachable') return problem(ABOUT, answer.why)
  if (answer.kind === 'odd')
    return unchecked(ABOUT, `the token endpoint ${answer.what}, which shows nothing about the credentials`)
  // RFC 6749 5.2: "Client authentication failed". No comparison is needed.
  if (answer.kind === 'rejected' || answer.code === 'invalid_client') return refused(client, method, answer)
  const toWrong = await redeemMadeUpCode(await withWrongCredentials(client, method))
  if (toWrong.kind === 'unreachable' || toWrong.kind === 'odd') return judgeAlone(answer, method)
  if (isSame(answer, toWrong)) return judgeSame(client, method, answer)
  return mayNot(answer)
    ? problem(ABOUT, `this client may not use authorization codes (${said(answer)}); allow that grant for it there`)
    : fine(ABOUT, `it takes this client ${WITH[method]}`)
}

const WITH: Readonly<Record<ClientAuthenticationMethod, string>> = {
  client_secret_basic: 'id and secret',
  client_secret_post: 'id and secret',
  private_key_jwt: 'id and key',
  none: 'without a secret',
}

// ── what the answers mean ────────────────────────────────────────────────────────────────────────

function mayNot({ code }: ErrorAnswer): boolean {
  return code === 'unauthorized_client' || code === 'unsupported_grant_type'
}

/** Descriptions are ignored, because they may name the request, the time or the client. */
function isSame(one: Refusal, other: Refusal): boolean {
  if (one.kind === 'rejected' || other.kind === 'rejected') return one.kind === other.kind
  return one.status === other.status && one.code === other.code
}

/** Both answers are the same one. */
async function judgeSame(client: Client, method: ClientAuthenticationMethod, answer: ErrorAnswer): Promise<Finding> {
  const { config } = client
  // Keycloak and Glewlwyd use this code for a wrong secret, with 401 and 403. By RFC 6749 5.2, it means that the secret
  // is right, but the client may not use the grant.
  if (answer.code === 'unauthorized_client') {
    if (answer.status !== 400) return refused(client, method, answer)
    return problem(
      ABOUT,
      `it answers ${said(answer)}, and the same to wrong credentials; copy them again, and check that client ${config.client_id} may use authorization codes there`,
    )
  }
  if (mayNot(answer)) {
    return problem(
      ABOUT,
      `this client may not use authorization codes (${said(answer)}); allow that grant for it there`,
    )
  }
  if (answer.code !== 'invalid_grant') {
    return unchecked(
      ABOUT,
      `the token endpoint answered a made-up code with ${said(answer)}, which shows nothing about the credentials`,
    )
  }
  return unchecked(
    ABOUT,
    method === 'none'
      ? `not known: it gives the same answer for a client that does not exist (${answer.code}), so only a sign-in will show it`
      : `not known: it gives the same answer for a wrong ${method === 'private_key_jwt' ? 'key' : 'secret'} (${answer.code}). Either it checks the code first, and only a sign-in will show it; or ${config.client_id} is a public client there, which no secret protects: then turn client authentication on`,
  )
}

/** The finding if no answer came for the wrong credentials. */
function judgeAlone(answer: ErrorAnswer, method: ClientAuthenticationMethod): Finding {
  if (mayNot(answer)) {
    return problem(
      ABOUT,
      `it refuses this client (${said(answer)}); copy id and secret again, or allow the client to use authorization codes`,
    )
  }
  // RFC 6749 5.2: the code is invalid, but the client is valid.
  return answer.code === 'invalid_grant'
    ? unchecked(
        ABOUT,
        `it seems to take this client ${WITH[method]}; the relay could not see its answer to wrong credentials`,
      )
    : unchecked(
        ABOUT,
        `the token endpoint answered a made-up code with ${said(answer)}, which shows nothing about the credentials`,
      )
}

/** The credentials are wrong, or the relay sends them in a way that the provider does not read. */
async function refused(client: Client, method: ClientAuthenticationMethod, answer: Refusal): Promise<Finding> {
  const { client_id } = client.config
  if (method === 'none') {
    return problem(
      ABOUT,
      `it does not take client ${client_id} without a secret (${said(answer)}); set client_secret, or make it a public client there`,
    )
  }
  if (method === 'private_key_jwt') {
    return problem(
      ABOUT,
      `it does not accept client ${client_id} with this key (${said(answer)}); register its public half there; if the provider wants its token endpoint as the audience, set client_key.audience: token_endpoint`,
    )
  }
  const other = method === 'client_secret_basic' ? 'client_secret_post' : 'client_secret_basic'
  if (await takes(client, other)) {
    return problem(
      ABOUT,
      `it takes this client id and secret with ${other} only (with ${method}: ${said(answer)}); set client_authentication: ${other}`,
    )
  }
  return problem(
    ABOUT,
    `it does not accept this client id and secret (${said(answer)}); copy both again, without spaces or line ends`,
  )
}

async function takes(client: Client, method: 'client_secret_basic' | 'client_secret_post'): Promise<boolean> {
  const otherwise = { ...client, config: { ...client.config, client_authentication: method } }
  const answer = await redeemMadeUpCode(otherwise)
  if (answer.kind !== 'error' || answer.code === 'invalid_client' || mayNot(answer)) return false
  const toWrong = await redeemMadeUpCode(await withWrongCredentials(otherwise, method))
  return (toWrong.kind === 'error' || toWrong.kind === 'rejected') && !isSame(answer, toWrong)
}

function said(answer: Refusal): string {
  if (answer.kind === 'rejected') return answer.reason
  return answer.description === undefined ? answer.code : `${answer.code}: ${answer.description}`
}

// ── asking ───────────────────────────────────────────────────────────────────────────────────────

/** The same client with an invented secret or key; a client without either gets an invented id. */
async function withWrongCredentials(client: Client, method: ClientAuthenticationMethod): Promise<Client> {
  const { config, clientKey } = client
  // It has no characters that are special in a header or a form, so that only its value is wrong.
  const random = randomBytes(16).toString('hex')
  switch (method) {
    case 'client_secret_basic':
    case 'client_secret_post':
      return { ...client, config: { ...config, client_secret: new Secret(random) } }
    case 'private_key_jwt':
      return { ...client, clientKey: clientKey && (await anotherKey(clientKey)) }
    case 'none':
      return { ...client, config: { ...config, client_id: `sallyport-check-${random}` } }
  }
}

/** Makes a key of the same kind. The description of a key is also the parameter for making one. */
async function anotherKey({ algorithm }: CryptoKey): Promise<CryptoKey> {
  const made = await crypto.subtle.generateKey(algorithm, false, ['sign', 'verify'])
  if ('privateKey' in made) return made.privateKey
  throw new TypeError(`${algorithm.name} has no private keys`) // readClientKey() makes none of the others
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
      const { status, error, error_description } = thrown
      return { kind: 'error', status, code: error, description: error_description }
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
        what: status === undefined ? 'gave an answer that is not readable' : `answered HTTP ${status} without a reason`,
      }
    }
    throw thrown
  }
}

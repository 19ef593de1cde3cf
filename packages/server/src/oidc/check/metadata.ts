// Checks whether a provider's metadata fit a registration. Pure: no I/O, no clock.

import type { OpenidConnectConfig } from '../../policy/openid-connect/openid-connect-schema.ts'
import { clientAuthenticationMethod } from '../provider/client-authentication.ts'
import { endpointProblems } from '../provider/endpoint-problems.ts'
import { acceptableAlgorithms } from '../provider/id-token.ts'
import { fine, listed, note, problem, type Finding } from './finding.ts'

type Metadata = Readonly<Record<string, unknown>>

/** The lists in the provider's discovery document. A list that it does not have is undefined. */
export interface Offers {
  grants: readonly string[] | undefined
  scopes: readonly string[] | undefined
  pkce: readonly string[] | undefined
  client_authentication: readonly string[] | undefined
  id_token_algorithms: readonly string[] | undefined
  userinfo: boolean
  sign_out: boolean
}

export function offersOf(metadata: Metadata): Offers {
  return {
    grants: textsOf(metadata.grant_types_supported),
    scopes: textsOf(metadata.scopes_supported),
    pkce: textsOf(metadata.code_challenge_methods_supported),
    client_authentication: textsOf(metadata.token_endpoint_auth_methods_supported),
    id_token_algorithms: textsOf(metadata.id_token_signing_alg_values_supported),
    userinfo: metadata.userinfo_endpoint !== undefined,
    sign_out: metadata.end_session_endpoint !== undefined,
  }
}

/** @param isInsecure whether plain http to this machine is allowed */
export function judgeMetadata(metadata: Metadata, config: OpenidConnectConfig, isInsecure: boolean): Finding[] {
  const offers = offersOf(metadata)
  return [
    ...judgeEndpoints(metadata, offers, isInsecure),
    judgeGrants(metadata, offers),
    judgePkce(offers),
    judgeScopes(offers, config),
    judgeClientAuthentication(offers, config),
    judgeIdToken(metadata, offers, config),
  ]
}

function judgeEndpoints(metadata: Metadata, { userinfo, sign_out }: Offers, isInsecure: boolean): Finding[] {
  const problems = endpointProblems(metadata, isInsecure)
  const all = ['authorization', 'token', 'keys', ...(userinfo ? ['userinfo'] : []), ...(sign_out ? ['sign-out'] : [])]
  return [
    ...problems.map((found) => problem('endpoints', found)),
    ...(problems.length === 0 ? [fine('endpoints', all.join(', '))] : []),
    ...(userinfo ? [] : [note('endpoints', 'there is no userinfo endpoint, so every claim must be in the ID token')]),
    ...(sign_out
      ? []
      : [note('endpoints', 'there is no end_session_endpoint: signing out ends the session here, not the one there')]),
  ]
}

function judgeGrants(metadata: Metadata, { grants }: Offers): Finding {
  // OpenID Connect Discovery 3: "If omitted, the default value is ["authorization_code", "implicit"]."
  const types = textsOf(metadata.response_types_supported)
  if ((grants && !grants.includes('authorization_code')) || (types && !types.includes('code'))) {
    return problem(
      'grants',
      `it offers ${listed(grants ?? types ?? [])} but not authorization_code, which the relay needs`,
    )
  }
  return fine('grants', grants ? listed(grants) : 'not listed, so authorization_code')
}

function judgePkce({ pkce }: Offers): Finding {
  if (pkce === undefined) {
    return note(
      'PKCE',
      'it does not say whether it supports PKCE; the relay always sends S256, and a provider without PKCE ignores it',
    )
  }
  if (!pkce.includes('S256')) {
    return problem('PKCE', `it supports ${listed(pkce)} but not S256, which the relay always sends`)
  }
  return fine('PKCE', listed(pkce))
}

function judgeScopes({ scopes }: Offers, config: OpenidConnectConfig): Finding {
  const asked = config.scopes.join(' ')
  if (scopes === undefined)
    return fine('scopes', `${asked} will be requested; it does not list the scopes that it supports`)
  const missing = config.scopes.filter((scope) => !scopes.includes(scope))
  if (missing.length === 0) return fine('scopes', `${asked}, among ${listed(scopes)}`)
  return note(
    'scopes',
    `it does not list ${listed(missing)}; if it answers a sign-in with invalid_scope, define ${missing.length === 1 ? 'it' : 'them'} there or take ${missing.length === 1 ? 'it' : 'them'} out of scopes. It lists ${listed(scopes)}`,
  )
}

function judgeClientAuthentication(offers: Offers, config: OpenidConnectConfig): Finding {
  const about = 'client auth'
  // OpenID Connect Discovery 3: "If omitted, the default is client_secret_basic."
  const offered = offers.client_authentication ?? ['client_secret_basic']
  const method = clientAuthenticationMethod(config, { token_endpoint_auth_methods_supported: [...offered] })
  if (offered.includes(method)) {
    const others = offered.filter((each) => each !== method)
    return fine(about, others.length === 0 ? method : `${method}; also possible: ${listed(others)}`)
  }
  if (method === 'none') {
    return note(about, `there is no client_secret, and it lists no public clients; it takes ${listed(offered)}`)
  }
  const possible = offered.filter((each) => each === 'client_secret_basic' || each === 'client_secret_post')
  if (config.client_authentication && possible.length > 0) {
    return problem(about, `it does not take ${method}; set client_authentication to ${listed(possible)}, or remove it`)
  }
  return problem(about, `it takes ${listed(offered)}, and the relay would send ${method}`)
}

function judgeIdToken(metadata: Metadata, offers: Offers, config: OpenidConnectConfig): Finding {
  const about = 'ID tokens'
  const listedThere = offers.id_token_algorithms
  // OpenID Connect Core 2: "The default value for id_token_signed_response_alg is RS256."
  const algorithms = listedThere ?? ['RS256']
  if (config.id_token_alg !== undefined) {
    if (algorithms.includes(config.id_token_alg)) {
      return fine(about, `${config.id_token_alg}, signed with the client secret`)
    }
    return problem(
      about,
      `it signs with ${listed(algorithms)} and never with ${config.id_token_alg}; remove id_token_alg`,
    )
  }
  const acceptable = acceptableAlgorithms(listedThere)
  if (acceptable.length > 0) {
    const also = algorithms.includes('HS256') ? '; if this client is set to HS256 there, write id_token_alg: HS256' : ''
    return fine(about, `${listed(acceptable)}${also}`)
  }
  if (algorithms.includes('HS256')) {
    return problem(
      about,
      'it signs only with the client secret (HS256); give it a key to sign with there, or write id_token_alg: HS256',
    )
  }
  if (metadata.id_token_encryption_alg_values_supported !== undefined) {
    return problem(about, 'it only encrypts ID tokens; turn encryption off for this client, and signing with RS256 on')
  }
  return problem(about, `it signs with ${listed(algorithms)}, none of which the relay takes; set the provider to RS256`)
}

function textsOf(value: unknown): readonly string[] | undefined {
  return Array.isArray(value) ? value.filter((each) => typeof each === 'string') : undefined
}

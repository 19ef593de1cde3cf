// Compares the keys of an `openid-connect` with each other, with the edge, and with the sign-ins that share its sessions.
// Pure: no I/O, no clock.

import { isDeepStrictEqual } from 'node:util'

import { Secret } from '@sallyport/protocol'
import type { z } from 'zod'

import type { ConfigPath, FoundProblem } from '@sallyport/protocol/found-problem'
import type { CheckPlace } from '../kind.ts'
import { authIdOf } from './auth-id.ts'
import { credentialsProblem } from './credentials-problem.ts'
import type { OneSignIn, openidConnectSchema } from './openid-connect-schema.ts'

/** Paths start at `config`. */
export function* signInProblems(
  config: z.output<typeof openidConnectSchema>,
  place: CheckPlace,
): Iterable<FoundProblem> {
  const names = new Set<string>()
  for (const [index, one] of [config, ...(config.alternatives ?? [])].entries()) {
    const path = index === 0 ? [] : ['alternatives', index - 1]
    yield* oneSignInProblems(one, path, place)
    yield* cookieDomainProblems(one, path, place)
    const authId = authIdIn(one)
    if (names.has(authId)) {
      yield { path, message: 'repeats the same sign-in; remove it, or give it another auth_id' }
    }
    names.add(authId)
  }
}

/** The default of idle_session_duration. A policy that only has a shorter max_session_duration is fine: sessions end by that. */
const IDLE_DEFAULT_MS = 12 * 3_600_000

function* oneSignInProblems(config: OneSignIn, path: ConfigPath, place: CheckPlace): Iterable<FoundProblem> {
  if (config.id_token_alg === 'HS256' && config.client_secret === undefined) {
    yield { path: [...path, 'id_token_alg'], message: 'HS256 is keyed by the client secret; add client_secret' }
  }
  if (config.identity_groups === 'matched' && !config.allow?.groups && !config.deny?.groups) {
    yield {
      path: [...path, 'identity_groups'],
      message:
        'matched passes on only the groups that allow or deny lists, and they list none; add allow.groups, or remove it',
    }
  }
  const credentials = credentialsProblem(config)
  if (credentials) yield { path: [...path, 'client_authentication'], message: credentials }
  const { idle_session_duration: idle } = config
  if (idle > config.max_session_duration && idle !== IDLE_DEFAULT_MS) {
    yield {
      path: [...path, 'idle_session_duration'],
      message: 'is longer than max_session_duration; make it shorter',
    }
  }
  const authId = authIdIn(config)
  const other = place.earlierHere(`sign-in ${authId}`, config)
  const different = other && difference(config, other)
  if (different) {
    yield {
      path: [...path, 'auth_id'],
      message: `${authId} is used on this edge with another ${different}; choose another auth_id, or write the same`,
    }
  }
}

function* cookieDomainProblems(config: OneSignIn, path: ConfigPath, place: CheckPlace): Iterable<FoundProblem> {
  const domain = config.auth_cookie_domain
  if (domain === undefined) return
  const outside = place.hosts.find((host) => !`.${host.replace(/^\*\./, '')}`.endsWith(`.${domain}`))
  if (outside !== undefined) {
    yield {
      path: [...path, 'auth_cookie_domain'],
      message: `${outside} is not under ${domain}, so its browsers would refuse the cookie; move it to an edge of its own`,
    }
  }
  const other = place.earlierAnywhere(`sign-in ${domain} ${authIdIn(config)}`, config)
  const different = other && difference(config, other)
  if (different) {
    yield {
      path: [...path, 'auth_cookie_domain'],
      message: `an edge that shares these sessions has another ${different}; choose another auth_id, or write the same`,
    }
  }
}

function difference(one: OneSignIn, other: OneSignIn): string | undefined {
  return SHARED_KEYS.find((key) => !isDeepStrictEqual(plain(one[key]), plain(other[key])))
}

function authIdIn({ auth_id, issuer_url, client_id }: OneSignIn): string {
  return auth_id ?? authIdOf(issuer_url, client_id)
}

/** Routes that share a session must have the same sign-in settings, so that nobody can get in by an easier route. */
const SHARED_KEYS = [
  'issuer_url',
  'client_id',
  'client_secret',
  'client_authentication',
  'client_key',
  'id_token_alg',
  'scopes',
  'authz_url_params',
  'force_reauthentication',
  'auth_cookie_domain',
] as const satisfies (keyof OneSignIn)[]

function plain(value: unknown): unknown {
  return value instanceof Secret ? value.reveal() : value
}

// What the actions of an edge must agree on with the edge and with each other. Pure: no I/O, no clock.

import { isDeepStrictEqual } from 'node:util'

import { Secret } from '@sallyport/protocol'

import { authIdOf } from '../policy/openid-connect/auth-id.ts'
import { credentialsProblem } from '../policy/openid-connect/credentials-problem.ts'
import type { OneSignIn } from '../policy/openid-connect/openid-connect-schema.ts'
import type { ConfigPath, FoundProblem } from '@sallyport/protocol/found-problem'
import { isLoopbackHost } from '../values/host-pattern.ts'
import type { ReadEdge, ReadPolicy } from './edge-schema.ts'

// What is sent to these could be read, and used, by anyone on the way.
const TAKES_SECRETS: ReadonlySet<string> = new Set(['openid-connect', 'service-token', 'jwt-validation', 'basic-auth'])

/** @param shared sign-ins of all edges that share their sessions, by domain and auth_id */
export function* policyProblems(
  edge: ReadEdge,
  path: ConfigPath,
  publicUrl: URL | undefined,
  shared: Map<string, OneSignIn>,
): Iterable<FoundProblem> {
  const signIns = new Map<string, OneSignIn>()
  for (const { policy, path: policyPath } of policiesOf(edge, path)) {
    for (const { action, path: configPath } of actionsOf(policy, policyPath)) {
      if (!TAKES_SECRETS.has(action.type)) continue
      const open = publicUrl && plainHttpProblem(action.type, edge, publicUrl)
      if (open) yield { path: configPath, message: open }
      if (action.type !== 'openid-connect') continue
      const { config } = action
      const names = new Set<string>()
      for (const [place, one] of [config, ...(config.alternatives ?? [])].entries()) {
        const onePath = place === 0 ? configPath : [...configPath, 'alternatives', place - 1]
        yield* oneSignInProblems(one, onePath, signIns)
        yield* cookieDomainProblems(one, onePath, edge, shared)
        const authId = authIdIn(one)
        if (names.has(authId)) {
          yield { path: onePath, message: 'is the same sign-in once more; remove it, or give it another auth_id' }
        }
        names.add(authId)
      }
    }
  }
}

/** @param signIns those of the edge so far, by auth_id */
function* oneSignInProblems(
  config: OneSignIn,
  path: ConfigPath,
  signIns: Map<string, OneSignIn>,
): Iterable<FoundProblem> {
  if (config.id_token_alg === 'HS256' && config.client_secret === undefined) {
    yield { path: [...path, 'id_token_alg'], message: 'HS256 is keyed by the client secret; add client_secret' }
  }
  if (config.identity_groups === 'matched' && !config.allow?.groups && !config.deny?.groups) {
    yield {
      path: [...path, 'identity_groups'],
      message:
        'matched passes on the groups that allow or deny names, and there are none; add allow.groups, or remove it',
    }
  }
  const credentials = credentialsProblem(config)
  if (credentials) yield { path: [...path, 'client_authentication'], message: credentials }
  if (config.idle_session_duration > config.max_session_duration) {
    yield {
      path: [...path, 'idle_session_duration'],
      message: 'is longer than max_session_duration; make it shorter',
    }
  }
  const authId = authIdIn(config)
  const other = signIns.get(authId)
  const different = other && difference(config, other)
  if (different) {
    yield {
      path: [...path, 'auth_id'],
      message: `${authId} is used on this edge with another ${different}; choose another auth_id, or say the same`,
    }
  }
  signIns.set(authId, other ?? config)
}

function* cookieDomainProblems(
  config: OneSignIn,
  path: ConfigPath,
  edge: ReadEdge,
  shared: Map<string, OneSignIn>,
): Iterable<FoundProblem> {
  const domain = config.auth_cookie_domain
  if (domain === undefined) return
  const outside = edge.hosts.find((host) => !`.${host.replace(/^\*\./, '')}`.endsWith(`.${domain}`))
  if (outside !== undefined) {
    yield {
      path: [...path, 'auth_cookie_domain'],
      message: `${outside} is not under ${domain}, so its browsers would refuse the cookie; move it to an edge of its own`,
    }
  }
  const name = `${domain} ${authIdIn(config)}`
  const other = shared.get(name)
  const different = other && difference(config, other)
  if (different) {
    yield {
      path: [...path, 'auth_cookie_domain'],
      message: `an edge that shares these sessions has another ${different}; choose another auth_id, or say the same`,
    }
  }
  shared.set(name, other ?? config)
}

function difference(one: OneSignIn, other: OneSignIn): string | undefined {
  return SHARED_KEYS.find((key) => !isDeepStrictEqual(plain(one[key]), plain(other[key])))
}

function authIdIn({ auth_id, issuer_url, client_id }: OneSignIn): string {
  return auth_id ?? authIdOf(issuer_url, client_id)
}

/** Routes that share a session must agree on how it begins: nobody may come in by the easier one. */
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

function* policiesOf(edge: ReadEdge, path: ConfigPath): Iterable<{ policy: ReadPolicy; path: ConfigPath }> {
  if (edge.policy) yield { policy: edge.policy, path: [...path, 'policy'] }
  for (const [index, route] of (edge.routes ?? []).entries()) {
    if (route.policy) yield { policy: route.policy, path: [...path, 'routes', index, 'policy'] }
  }
}

type ReadAction = ReadPolicy['on_http_request'][number]['actions'][number]
type ReadAlternative = Extract<ReadAction, { type: 'any-of' }>['config']['actions'][number]

/** The actions on requests, with those inside any-of in its place; the path is that of their `config`. */
function* actionsOf(
  policy: ReadPolicy,
  path: ConfigPath,
): Iterable<{ action: Exclude<ReadAction, { type: 'any-of' }> | ReadAlternative; path: ConfigPath }> {
  for (const [ruleIndex, rule] of policy.on_http_request.entries()) {
    for (const [index, action] of rule.actions.entries()) {
      const configPath = [...path, 'on_http_request', ruleIndex, 'actions', index, 'config']
      if (action.type !== 'any-of') yield { action, path: configPath }
      else {
        for (const [place, one] of action.config.actions.entries()) {
          yield { action: one, path: [...configPath, 'actions', place, 'config'] }
        }
      }
    }
  }
}

// Without TLS anyone on the way could take over the session, or the code on its way through the shared callback.
function plainHttpProblem(type: string, edge: ReadEdge, publicUrl: URL): string | undefined {
  if (publicUrl.protocol === 'http:' && !isLoopbackHost(publicUrl.hostname)) {
    return `${type} needs https; public_url is ${publicUrl.origin}, which is plain http and not on loopback`
  }
  const scheme = edge.origin ? new URL(edge.origin).protocol : publicUrl.protocol
  const host = edge.hosts.find((candidate) => !isLoopbackHost(candidate))
  if (scheme !== 'http:' || host === undefined) return undefined
  return `${type} needs https; ${host} would be plain http and not on loopback. Use https in public_url, or a host such as docs.localhost`
}

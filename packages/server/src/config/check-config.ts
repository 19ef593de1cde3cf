// What several values of relay.yml must agree on. Each value alone has been checked by schema.ts. Takes what could be
// read, so that these problems are reported together with the others. Pure: no I/O, no clock.

import { isDeepStrictEqual } from 'node:util'

import { Secret } from '@sallyport/protocol'
import type { z } from 'zod'

import { authIdOf } from './auth-id.ts'
import type { ConfigPath, FoundProblem } from './expand-env.ts'
import { hostMatches, isLoopbackHost } from '../model/host-pattern.ts'
import type { configSchema } from './schema.ts'
import type { edgeSchema } from './schema/edge-schema.ts'
import type { openidConnectSchema } from './schema/openid-connect-schema.ts'

type ReadEdge = z.output<typeof edgeSchema>
type ReadRoute = NonNullable<ReadEdge['routes']>[number]
type ReadPolicy = NonNullable<ReadRoute['policy']>
type ReadOneSignIn = Omit<z.output<typeof openidConnectSchema>, 'alternatives'>
type ReadBackend = NonNullable<ReadRoute['backend']>

export interface ReadParts {
  publicUrl: URL | undefined
  listen: z.output<typeof configSchema.shape.listen> | undefined
  tls: z.output<typeof configSchema.shape.tls> | undefined
  edges: readonly EdgeParts[]
}

/** An edge at its place in the file; `edge` is undefined where something in it could not be read. */
export interface EdgeParts {
  index: number
  id: string | undefined
  hosts: readonly string[]
  edge: ReadEdge | undefined
}

export function checkConfig(parts: ReadParts): FoundProblem[] {
  const problems: FoundProblem[] = [...listenProblems(parts)]
  const ids = new Map<string, number>()
  const hosts = new Map<string, string>()
  const shared = new Map<string, ReadOneSignIn>()
  for (const { index, id = `edges[${index}]`, hosts: edgeHosts, edge } of parts.edges) {
    const path = ['edges', index]
    const sameId = ids.get(id)
    if (sameId === undefined) ids.set(id, index)
    else
      problems.push({ path: [...path, 'id'], message: `${id} is also the id of edges[${sameId}]; give each its own` })

    for (const [place, host] of edgeHosts.entries()) {
      const hostPath = [...path, 'hosts', place]
      const owner = hosts.get(host)
      if (owner === undefined) hosts.set(host, id)
      else
        problems.push({
          path: hostPath,
          message: `${host} already leads to ${owner}; a host can lead to one edge only`,
        })
      if (parts.publicUrl && hostMatches(host, parts.publicUrl.hostname)) {
        problems.push({ path: hostPath, message: publicHostProblem(host, parts.publicUrl.hostname) })
      }
    }
    if (!edge) continue
    problems.push(
      ...originProblems(edge, path),
      ...routeProblems(edge, path),
      ...backendProblems(edge, path),
      ...signInProblems(edge, path, parts.publicUrl, shared),
    )
  }
  return problems
}

function* listenProblems({ publicUrl, listen, tls }: ReadParts): Iterable<FoundProblem> {
  if (!listen) return
  if (listen.https && tls && tls.certificates.length === 0) {
    yield {
      path: ['listen', 'https'],
      message: 'needs a certificate; add tls: { certificates: [{ cert_file: …, key_file: … }] }',
    }
  }
  if (listen.https && publicUrl?.protocol === 'http:') {
    yield {
      path: ['public_url'],
      message: `must be https where listen.https is set; write https://${publicUrl.hostname}`,
    }
  }
  const taken = new Map<string, string>()
  for (const name of ['http', 'https', 'admin'] as const) {
    const address = listen[name]
    if (!address || address.port === 0) continue
    const written = `${address.host ?? '*'}:${address.port}`
    const other = taken.get(written)
    if (other !== undefined)
      yield {
        path: ['listen', name],
        message: `${written} is the address of listen.${other} already; choose another port`,
      }
    taken.set(written, name)
  }
}

function publicHostProblem(host: string, publicHost: string): string {
  if (host === publicHost) return `${host} is the host of public_url, which belongs to the relay; choose another host`
  return `${host} covers ${publicHost}, the host of public_url, which belongs to the relay; move one of them to another domain`
}

function* originProblems(edge: ReadEdge, path: ConfigPath): Iterable<FoundProblem> {
  if (edge.origin === undefined) return
  const [host, ...others] = edge.hosts
  if (others.length > 0 || host?.startsWith('*.')) {
    yield {
      path: [...path, 'origin'],
      message: 'is possible only on an edge with one exact host; make an edge for each host that needs an origin',
    }
  } else if (new URL(edge.origin).hostname !== host) {
    yield { path: [...path, 'origin'], message: `must name the host of this edge, ${host}` }
  }
}

function* routeProblems(edge: ReadEdge, path: ConfigPath): Iterable<FoundProblem> {
  if (!edge.routes) return
  for (const key of ['allow_upgrades', 'backend', 'policy'] as const) {
    if (edge[key])
      yield {
        path: [...path, key],
        message: `is possible only without routes; move it into the routes it is meant for`,
      }
  }
  const seen = new Map<string, number>()
  for (const [index, route] of edge.routes.entries()) {
    const routePath = [...path, 'routes', index]
    if (route.exact_path !== undefined && route.path_prefix !== undefined) {
      yield { path: routePath, message: 'has both exact_path and path_prefix; make two routes of it' }
      continue
    }
    const key = route.exact_path === undefined ? 'path_prefix' : 'exact_path'
    const routed = route[key]
    if (routed === undefined) {
      yield { path: routePath, message: 'needs exact_path or path_prefix; write path_prefix: / for all paths' }
      continue
    }
    const same = seen.get(`${key} ${routed}`)
    if (same !== undefined)
      yield { path: [...routePath, key], message: `${routed} is the ${key} of routes[${same}] already; merge the two` }
    else seen.set(`${key} ${routed}`, index)
  }
}

function* backendProblems(edge: ReadEdge, path: ConfigPath): Iterable<FoundProblem> {
  const cookies = new Map<string, string>()
  for (const { backend, path: backendPath } of backendsOf(edge, path)) {
    yield* kindProblems(backend, backendPath)
    for (const [index, { backend: branch }] of (backend.weighted ?? []).entries()) {
      yield* kindProblems(branch, [...backendPath, 'weighted', index, 'backend'])
    }
    for (const [index, step] of (backend.failover ?? []).entries()) {
      const stepPath = [...backendPath, 'failover', index]
      yield* kindProblems(step, stepPath)
      for (const [place, { backend: branch }] of (step.weighted ?? []).entries()) {
        yield* kindProblems(branch, [...stepPath, 'weighted', place, 'backend'])
      }
      if (step.fixed_response && index < (backend.failover?.length ?? 0) - 1) {
        yield { path: stepPath, message: 'always answers, so nothing behind it is ever reached; move it to the end' }
      }
    }
    if (!backend.sticky) continue
    const { cookie } = backend.sticky
    if (backend.fixed_response) {
      yield { path: [...backendPath, 'sticky'], message: 'means nothing for a fixed response; remove it' }
    }
    // Two backends under one cookie would send each visitor to and fro.
    const meaning = JSON.stringify(backend, (_, value: unknown) => (value instanceof Map ? [...value] : value))
    const other = cookies.get(cookie)
    if (other !== undefined && other !== meaning) {
      yield {
        path: [...backendPath, 'sticky', 'cookie'],
        message: `${cookie} is used on this edge with another backend; choose another name`,
      }
    }
    cookies.set(cookie, other ?? meaning)
  }
}

function* backendsOf(edge: ReadEdge, path: ConfigPath): Iterable<{ backend: ReadBackend; path: ConfigPath }> {
  if (edge.backend) yield { backend: edge.backend, path: [...path, 'backend'] }
  for (const [index, route] of (edge.routes ?? []).entries()) {
    if (route.backend) yield { backend: route.backend, path: [...path, 'routes', index, 'backend'] }
  }
}

/** Exactly one kind, and `balance` only where there is something to balance. */
function* kindProblems(backend: ReadBackend, path: ConfigPath): Iterable<FoundProblem> {
  const kinds = BACKEND_KINDS.filter((kind) => backend[kind] !== undefined)
  if (kinds.length === 0) {
    yield { path, message: 'leads nowhere; add labels, for example labels: { edge: edg_docs }' }
  } else if (kinds.length > 1) {
    yield { path, message: `has both ${kinds.join(' and ')}; keep one, or list them under failover or weighted` }
  }
  if (backend.balance !== undefined && backend.labels === undefined && kinds.length > 0) {
    yield { path: [...path, 'balance'], message: 'is about tunnels; write it beside the labels that it is meant for' }
  }
}

const BACKEND_KINDS = ['labels', 'fixed_response', 'weighted', 'failover'] as const

// What is sent to these could be read, and used, by anyone on the way.
const TAKES_SECRETS: ReadonlySet<string> = new Set(['openid-connect', 'service-token', 'jwt-validation', 'basic-auth'])

/** @param shared sign-ins of all edges that share their sessions, by domain and auth_id */
function* signInProblems(
  edge: ReadEdge,
  path: ConfigPath,
  publicUrl: URL | undefined,
  shared: Map<string, ReadOneSignIn>,
): Iterable<FoundProblem> {
  const signIns = new Map<string, ReadOneSignIn>()
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
  config: ReadOneSignIn,
  path: ConfigPath,
  signIns: Map<string, ReadOneSignIn>,
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
  config: ReadOneSignIn,
  path: ConfigPath,
  edge: ReadEdge,
  shared: Map<string, ReadOneSignIn>,
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

function difference(one: ReadOneSignIn, other: ReadOneSignIn): string | undefined {
  return SHARED_KEYS.find((key) => !isDeepStrictEqual(plain(one[key]), plain(other[key])))
}

function authIdIn({ auth_id, issuer_url, client_id }: ReadOneSignIn): string {
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
] as const satisfies (keyof ReadOneSignIn)[]

function plain(value: unknown): unknown {
  return value instanceof Secret ? value.reveal() : value
}

/** What the keys that say how the relay authenticates must agree on. */
export function credentialsProblem({
  client_authentication: method,
  client_secret,
  client_key,
  id_token_alg,
}: Pick<ReadOneSignIn, 'client_authentication' | 'client_secret' | 'client_key' | 'id_token_alg'>): string | undefined {
  if (client_key !== undefined) {
    if (method !== undefined && method !== 'private_key_jwt') return `${method} uses no key; remove client_key`
  } else if (method === 'private_key_jwt') return 'private_key_jwt needs a key; add client_key: { file: … }'
  const usesSecret = method === 'client_secret_basic' || method === 'client_secret_post'
  if (usesSecret && client_secret === undefined) return 'needs a secret; add client_secret'
  const sendsNone = method === 'none' || client_key !== undefined
  if (sendsNone && client_secret !== undefined && id_token_alg !== 'HS256') {
    return 'the client_secret would never be used; remove it, or choose client_secret_basic'
  }
  return undefined
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

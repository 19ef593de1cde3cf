// Compares the values of an edge, and edges with each other. edge-schema.ts has checked each value alone. Takes the parts that
// could be read, so that these problems are reported together with the others. Pure: no I/O, no clock.

import { HTTP_PHASES } from '../../policy/kind.ts'
import type { ConfigPath, FoundProblem } from '@sallyport/protocol/found-problem'
import { hostMatches } from '../../values/host-pattern.ts'
import { isInternalHost } from '../../values/hosts/internal-host.ts'
import { backendProblems } from './check-backends.ts'
import { policyChecker } from './check-policies.ts'
import type { PoliciesPlace } from './check-policies.ts'
import type { ReadEdge, ReadPolicy } from '../schema/edge-schema.ts'

export interface EdgesToCheck extends PoliciesPlace {
  edges: readonly PartlyReadEdge[]
}

/** An edge at its place among the others; `edge` is undefined if a part of it could not be read. */
export interface PartlyReadEdge {
  index: number
  id: string | undefined
  hosts: readonly string[]
  edge: ReadEdge | undefined
}

export function checkEdges({ kinds, publicUrl, tls, supply, redirectUri, edges }: EdgesToCheck): FoundProblem[] {
  const problems: FoundProblem[] = []
  const ids = new Map<string, number>()
  const hosts = new Map<string, string>()
  const policyProblems = policyChecker({ kinds, publicUrl, tls, supply, redirectUri })
  for (const { index, id = `edges[${index}]`, hosts: edgeHosts, edge } of edges) {
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
      if (publicUrl && hostMatches(host, publicUrl.hostname)) {
        problems.push({ path: hostPath, message: publicHostProblem(host, publicUrl.hostname) })
      }
    }
    if (!edge) continue
    problems.push(
      ...originProblems(edge, path),
      ...internalProblems(edge, path),
      ...routeProblems(edge, path),
      ...backendProblems(edge, path),
      ...policyProblems(edge, path),
    )
  }
  return problems
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

/** No visitor reaches an internal endpoint, so one edge cannot be both that and a site. */
function* internalProblems({ hosts, origin }: ReadEdge, path: ConfigPath): Iterable<FoundProblem> {
  const internal = hosts.findIndex(isInternalHost)
  if (internal === -1) return
  const other = hosts.find((host) => !isInternalHost(host))
  if (other !== undefined) {
    const message = `${hosts[internal]} is an internal endpoint, which only policies reach, and ${other} is for visitors; make an edge for each`
    yield { path: [...path, 'hosts', internal], message }
  } else if (origin !== undefined) {
    yield {
      path: [...path, 'origin'],
      message: 'is the origin that visitors see, and none reaches an internal endpoint; remove it',
    }
  }
}

function* routeProblems(edge: ReadEdge, path: ConfigPath): Iterable<FoundProblem> {
  if (!edge.routes) return
  for (const key of ['allow_upgrades', 'backend'] as const)
    if (edge[key]) yield { path: [...path, key], message: OF_ROUTES }
  yield* policyBesideRoutes(edge.policy, [...path, 'policy'])
  const seen = new Map<string, number>()
  for (const [index, route] of edge.routes.entries()) {
    const routePath = [...path, 'routes', index]
    if (route.policy && route.policy.on_tcp_connect.length > 0) {
      const message = 'decides about a connection, which has no path; move it into the policy of the edge'
      yield { path: [...routePath, 'policy', 'on_tcp_connect'], message }
    }
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

const OF_ROUTES = 'is possible only without routes; move it into the routes it is meant for'

/** A policy beside routes may have rules for connections alone. */
function* policyBesideRoutes(policy: ReadPolicy | undefined, path: ConfigPath): Iterable<FoundProblem> {
  if (!policy) return
  const phases = HTTP_PHASES.filter((phase) => policy[phase].length > 0)
  if (policy.on_tcp_connect.length === 0) yield { path, message: OF_ROUTES }
  else for (const phase of phases) yield { path: [...path, phase], message: OF_ROUTES }
}

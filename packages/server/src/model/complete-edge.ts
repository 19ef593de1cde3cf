// Completes an edge: fills in its defaults and the settings of the relay, and makes paths of files absolute.
// Pure: no I/O, no clock.

import { resolve } from 'node:path'

import type { Supply } from '../policy/engine/tree/demands.ts'
import { kindOf } from '../policy/kind.ts'
import type { KindTable, Phase, Step, TlsPlace } from '../policy/kind.ts'
import type {
  ActionIn,
  BackendConfig,
  EdgeConfig,
  PlainBackendConfig,
  PolicyConfig,
  RouteConfig,
  RouteMatch,
  RuleConfig,
  WeightedBackendConfig,
} from './edge-config.ts'
import type { ReadBackend, ReadEdge, ReadPolicy } from './schema/edge-schema.ts'
import type { PagesConfig } from './schema/pages-schema.ts'

export function completePages({ logo_file, ...pages }: PagesConfig, folder: string): PagesConfig {
  return { ...pages, ...(logo_file !== undefined && { logo_file: resolve(folder, logo_file) }) }
}

export interface EdgeSurroundings {
  kinds: KindTable
  /** The top-level `identity_jwt`. */
  identityJwt: boolean
  ipPolicies: Supply['ipPolicies']
  /** The start of relative paths. */
  folder: string
  tls: TlsPlace
}

/** @param edge one that the schema and checkEdges() have let pass */
export function completeEdge(edge: ReadEdge, surroundings: EdgeSurroundings): EdgeConfig {
  const { id, hosts, origin, description, metadata, pages, page_details } = edge
  const { allow_upgrades, backend, policy } = edge
  const routes = edge.routes ?? [{ path_prefix: '/', ...(allow_upgrades && { allow_upgrades }), backend, policy }]
  const { folder } = surroundings
  const complete = stepCompleter(surroundings)
  const onConnect = completeRules<'on_tcp_connect'>(policy?.on_tcp_connect, complete)
  return {
    id,
    hosts,
    ...(origin !== undefined && { origin }),
    ...(description !== undefined && { description }),
    ...(metadata !== undefined && { metadata }),
    ...(pages !== undefined && { pages: completePages(pages, folder) }),
    ...(page_details !== undefined && { page_details }),
    ...(onConnect.length > 0 && { on_tcp_connect: onConnect }),
    routes: routes.map((route): RouteConfig => ({
      ...matchOf(route),
      ...(route.allow_upgrades && { allow_upgrades: route.allow_upgrades }),
      backend: route.backend ? completeBackend(route.backend) : { labels: new Map([['edge', id]]) },
      policy: completePolicy(route.policy, complete),
    })),
  }
}

// check-backends.ts has checked that each backend is of exactly one kind.
function completeBackend({ failover, sticky, ...rest }: ReadBackend): BackendConfig {
  const backend = failover ? { failover: failover.map(completeStep) } : completeStep(rest)
  return { ...backend, ...(sticky && { sticky }) }
}

function completeStep({
  weighted,
  ...rest
}: Omit<ReadBackend, 'failover' | 'sticky'>): PlainBackendConfig | WeightedBackendConfig {
  if (!weighted) return completePlain(rest)
  return { weighted: weighted.map(({ backend, weight }) => ({ backend: completePlain(backend), weight })) }
}

function completePlain({
  labels,
  balance,
  fixed_response,
}: Omit<ReadBackend, 'failover' | 'sticky' | 'weighted'>): PlainBackendConfig {
  if (fixed_response) return { fixed_response }
  return { labels: labels ?? new Map(), ...(balance !== undefined && { balance }) }
}

// check-edges.ts has checked that exactly one of them exists.
function matchOf({ exact_path, path_prefix }: { exact_path?: string; path_prefix?: string }): RouteMatch {
  return exact_path === undefined ? { path_prefix: path_prefix ?? '/' } : { exact_path }
}

function completePolicy(policy: ReadPolicy | undefined, complete: (step: Step) => Step): PolicyConfig {
  return {
    on_http_request: completeRules(policy?.on_http_request, complete),
    on_http_response: completeRules(policy?.on_http_response, complete),
  }
}

function completeRules<P extends Phase>(
  rules: ReadPolicy[Phase] = [],
  complete: (step: Step) => Step,
): RuleConfig<P>[] {
  return rules.map(({ name, expressions = [], actions }) => ({
    ...(name !== undefined && { name }),
    ...(expressions.length > 0 && { expressions }),
    actions: actions.map((action) => complete(action) as ActionIn<P>), // the schema lets no other pass in this phase
  }))
}

function stepCompleter({ kinds, identityJwt, folder, tls, ipPolicies }: EdgeSurroundings): (step: Step) => Step {
  const complete = ({ type, config }: Step): Step => {
    const kind = kindOf(kinds, type)
    if (!kind) throw new TypeError(`no action is called ${type}`) // the schema lets no other pass
    return { type, config: kind.complete(config, { identityJwt, folder, tls, ipPolicies, complete }) }
  }
  return complete
}

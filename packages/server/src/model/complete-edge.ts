// Fills in what an edge takes from elsewhere: its defaults, the files that it names, the settings of the relay.
// Pure: no I/O, no clock.

import { resolve } from 'node:path'

import { completeSignIn } from '../policy/openid-connect/complete-sign-in.ts'
import type {
  BackendConfig,
  EdgeConfig,
  PlainBackendConfig,
  PolicyConfig,
  RequestAction,
  RouteConfig,
  RouteMatch,
  WeightedBackendConfig,
} from './edge-config.ts'
import type { ReadBackend, ReadEdge } from './edge-schema.ts'
import type { PagesConfig } from './pages-schema.ts'

export function completePages({ logo_file, ...pages }: PagesConfig, folder: string): PagesConfig {
  return { ...pages, ...(logo_file !== undefined && { logo_file: resolve(folder, logo_file) }) }
}

/** From what edgeSchema and checkEdges() have let pass to what the rooms use. */
export function completeEdge(edge: ReadEdge, identityJwt: boolean, folder: string): EdgeConfig {
  const { id, hosts, origin, description, metadata, pages, page_details } = edge
  const { allow_upgrades, backend, policy } = edge
  const routes = edge.routes ?? [{ path_prefix: '/', ...(allow_upgrades && { allow_upgrades }), backend, policy }]
  return {
    id,
    hosts,
    ...(origin !== undefined && { origin }),
    ...(description !== undefined && { description }),
    ...(metadata !== undefined && { metadata }),
    ...(pages !== undefined && { pages: completePages(pages, folder) }),
    ...(page_details !== undefined && { page_details }),
    routes: routes.map((route): RouteConfig => ({
      ...matchOf(route),
      ...(route.allow_upgrades && { allow_upgrades: route.allow_upgrades }),
      backend: route.backend ? completeBackend(route.backend) : { labels: new Map([['edge', id]]) },
      policy: completePolicy(route.policy, identityJwt, folder),
    })),
  }
}

// check-backends.ts has seen that each backend is of exactly one kind.
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

// check-edges.ts has seen that exactly one of them is there.
function matchOf({ exact_path, path_prefix }: { exact_path?: string; path_prefix?: string }): RouteMatch {
  return exact_path === undefined ? { path_prefix: path_prefix ?? '/' } : { exact_path }
}

function completePolicy(policy: ReadEdge['policy'], identityJwt: boolean, folder: string): PolicyConfig {
  return {
    on_http_request: (policy?.on_http_request ?? []).map(({ name, actions }) => ({
      ...(name !== undefined && { name }),
      actions: actions.map((action): RequestAction => {
        if (action.type !== 'any-of') return completeAction(action, identityJwt, folder)
        const actions = action.config.actions.map((one) => completeAction(one, identityJwt, folder))
        return { type: action.type, config: { actions } }
      }),
    })),
    on_http_response: (policy?.on_http_response ?? []).map(({ name, actions }) => ({
      ...(name !== undefined && { name }),
      actions,
    })),
  }
}

type ReadAction = NonNullable<NonNullable<ReadEdge['policy']>['on_http_request']>[number]['actions'][number]
type SingleAction = Exclude<RequestAction, { type: 'any-of' }>

/** What names files, or takes from elsewhere. */
function completeAction<A extends Exclude<ReadAction, { type: 'any-of' }>>(
  action: A,
  identityJwt: boolean,
  folder: string,
): Extract<SingleAction, { type: A['type'] }>
function completeAction(
  action: Exclude<ReadAction, { type: 'any-of' }>,
  identityJwt: boolean,
  folder: string,
): SingleAction {
  if (action.type === 'openid-connect') {
    return { type: action.type, config: completeSignIn(action.config, identityJwt, folder) }
  }
  if (action.type !== 'jwt-validation' || action.config.provider_ca_file === undefined) return action
  const provider_ca_file = resolve(folder, action.config.provider_ca_file)
  return { type: action.type, config: { ...action.config, provider_ca_file } }
}

// relay.yml, from text to Config: YAML → ${ENV} → schema → what values must agree on → defaults. All problems are
// reported together. Reads no file; load-config.ts does.

import { dirname, resolve } from 'node:path'

import { z } from 'zod'

import { ConfigError } from '../errors.ts'
import { checkConfig } from './check-config.ts'
import { completeSignIn } from './complete-sign-in.ts'
import type {
  BackendConfig,
  Config,
  EdgeConfig,
  PagesConfig,
  PlainBackendConfig,
  PolicyConfig,
  RequestAction,
  RouteConfig,
  RouteMatch,
  WeightedBackendConfig,
} from './config.ts'
import { type ConfigPath, expandEnv, type FoundProblem } from './expand-env.ts'
import { configSchema } from './schema.ts'
import { edgeSchema } from './schema/edge-schema.ts'
import { parseWithSchema } from './schema-problems.ts'
import { storeLocation } from './store-location.ts'
import { YamlFile } from './yaml-file.ts'

export interface ParseConfigOptions {
  /** The file that the text comes from; relative paths in it start at its folder. */
  source: string
  env: NodeJS.ProcessEnv
}

/** @throws ConfigError with every problem that can be found */
export function parseConfig(text: string, { source, env }: ParseConfigOptions): Config {
  const file = new YamlFile(text, source)
  const expanded = expandEnv(file.tree, env)
  const { problems, config } = read(expanded.tree)
  // What a missing variable would have filled cannot be judged.
  const unset = new Set(expanded.problems.map(({ path }) => JSON.stringify(path)))
  const all = [...expanded.problems, ...problems.filter(({ path }) => !unset.has(JSON.stringify(path)))]
  if (all.length > 0 || !config) throw new ConfigError(all.map((problem) => file.located(problem)))
  return complete(config, dirname(resolve(source)), env)
}

type ReadConfig = z.output<typeof configSchema>

function read(tree: unknown): { problems: FoundProblem[]; config?: ReadConfig } {
  const first = parseWithSchema(configSchema, tree)
  const whole = 'value' in first ? first.value : undefined
  const problems = whole ? [] : 'problems' in first ? [...first.unknownKeys, ...first.problems] : []

  // A misspelt key must not hide other problems: the rest is looked at as if the key were not there.
  const known = 'problems' in first ? without(tree, first.unknownKeys) : tree
  const checked = checkConfig({
    publicUrl: part(configSchema.shape.public_url, known, 'public_url'),
    listen: part(configSchema.shape.listen, known, 'listen'),
    tls: part(configSchema.shape.tls, known, 'tls'),
    edges: listOf(known, 'edges').map((value, index) => ({
      index,
      id: part(edgeSchema.shape.id, value, 'id'),
      hosts: part(edgeSchema.shape.hosts, value, 'hosts') ?? [],
      edge: parsed(edgeSchema, value),
    })),
  })
  problems.push(...checked)
  return whole ? { problems, config: whole } : { problems }
}

function part<T extends z.ZodType>(schema: T, tree: unknown, key: string): z.output<T> | undefined {
  return parsed(schema, child(tree, key))
}

function parsed<T extends z.ZodType>(schema: T, value: unknown): z.output<T> | undefined {
  const result = schema.safeParse(value)
  return result.success ? result.data : undefined
}

function listOf(tree: unknown, key: string): unknown[] {
  const list = child(tree, key)
  return Array.isArray(list) ? list : []
}

function child(tree: unknown, key: PropertyKey): unknown {
  if (typeof tree !== 'object' || tree === null || !Object.hasOwn(tree, key)) return undefined
  return (tree as Record<PropertyKey, unknown>)[key] // it has just been seen to have this key
}

function without(tree: unknown, unknownKeys: readonly FoundProblem[]): unknown {
  if (unknownKeys.length === 0) return tree
  const copy: unknown = structuredClone(tree)
  for (const { path } of unknownKeys) {
    const parent = path.slice(0, -1).reduce<unknown>(child, copy)
    if (typeof parent === 'object' && parent !== null) Reflect.deleteProperty(parent, lastOf(path))
  }
  return copy
}

function lastOf(path: ConfigPath): PropertyKey {
  return path.at(-1) ?? ''
}

// ── defaults that depend on other values ─────────────────────────────────────────────────────────────────────────

function complete(read: ReadConfig, folder: string, env: NodeJS.ProcessEnv): Config {
  return {
    ...read,
    store: storeLocation(read.store, folder, env),
    tls: {
      ...read.tls,
      certificates: read.tls.certificates.map(({ cert_file, key_file }) => ({
        cert_file: resolve(folder, cert_file),
        key_file: resolve(folder, key_file),
      })),
    },
    pages: completePages(read.pages, folder),
    edges: read.edges.map((edge) => completeEdge(edge, read.identity_jwt, folder)),
  }
}

function completePages({ logo_file, ...pages }: PagesConfig, folder: string): PagesConfig {
  return { ...pages, ...(logo_file !== undefined && { logo_file: resolve(folder, logo_file) }) }
}

type ReadEdge = z.output<typeof edgeSchema>

/** From what edgeSchema and checkConfig() have let pass to what the rooms use. */
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

type ReadBackend = NonNullable<ReadEdge['backend']>

// check-config.ts has seen that each backend is of exactly one kind.
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

// check-config.ts has seen that exactly one of them is there.
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

// What a relay tells its operator when it has started: where visitors come in, who may pass there, what it waits for with
// the command to paste, and what wants a look. Pure: values in, lines out.

import type { X509Certificate } from 'node:crypto'

import type {
  BackendConfig,
  Config,
  EdgeConfig,
  FailoverBackendConfig,
  PlainBackendConfig,
  PolicyConfig,
  RequestAction,
  RouteConfig,
  WeightedBackendConfig,
} from '../config/config.ts'
import { originOn } from '../edge/origin-on.ts'
import { RELAY_VERSION } from '../version.ts'

const SHOWN_EDGES = 20 // of thousands that may be
const SHOWN_COMMANDS = 5
const DAY_MS = 86_400_000
/** An authority's certificate of 90 days is renewed 30 days before its end; who is later has a reason to look. */
const SOON_DAYS = 14

export interface Surroundings {
  /** As it was given with --config. */
  file: string
  admin: string
  /** The first of each file of the configuration, in its order; undefined where nothing can be said of them. */
  certificates: readonly X509Certificate[] | undefined
  /** Milliseconds since 1970. */
  now: number
}

/** The lines for the operator of a configuration. */
export function greeting(config: Config, { file, admin, certificates, now }: Surroundings): string[] {
  const { edges, public_url: publicUrl } = config
  const path = /^[\w./-]+$/.test(file) ? file : `'${file}'`
  const shown = edges.slice(0, SHOWN_EDGES)
  const commands = [...new Set(edges.flatMap(labelSetsOf))].map(
    (labels) => `  agent tunnel --server ${publicUrl.origin} --authtoken TOKEN${labels} http://localhost:8000`,
  )
  const warnings = [...certificateWarnings(config, certificates, now), ...openWarnings(edges)]
  return [
    `Sallyport relay ${RELAY_VERSION} with ${file}`,
    '',
    ...shown.flatMap((edge) => edgeLines(edge, publicUrl)),
    ...(edges.length === 0
      ? ['  No edge: only agents with a URL of their own (agent http) will have visitors', '']
      : []),
    ...andMore(edges.length - shown.length, 'edges'),
    ...placeRows(publicUrl.origin, admin, config.store.path),
    ...(commands.length > 0
      ? [
          'Waiting for agents. Make an authtoken for each with the first line, and run the other beside its app:',
          '',
          `  relay authtoken create --config ${path}`,
          ...commands.slice(0, SHOWN_COMMANDS),
          ...andMore(commands.length - SHOWN_COMMANDS, 'groups of tunnels'),
          '',
        ]
      : []),
    ...warnings.map((warning) => `Warning: ${warning}`),
    ...(warnings.length > 0 ? [''] : []),
  ]
}

/** Where agents and the operator find the relay, and where it keeps what it knows. */
export function placeRows(agents: string, admin: string, store: string): string[] {
  return [`  Agents     ${agents}`, `  Admin      ${admin}`, `  Store      ${store}`, '']
}

/** What is wrong with the certificates for the hosts that visitors and agents ask for, in sentences. */
export function certificateWarnings(
  { edges, listen, public_url: publicUrl, tls }: Config,
  certificates: readonly X509Certificate[] | undefined,
  now: number,
): string[] {
  if (!listen.https || !certificates) return []
  const warnings: string[] = []
  for (const [index, { validFrom, validTo }] of certificates.entries()) {
    const file = tls.certificates[index]?.cert_file
    const days = Math.floor((Date.parse(validTo) - now) / DAY_MS)
    if (Date.parse(validFrom) > now) warnings.push(`${file} is valid from ${dayOf(validFrom)} on, not yet`)
    if (days < 0) warnings.push(`${file} has expired on ${dayOf(validTo)}; browsers refuse it`)
    else if (days < SOON_DAYS) warnings.push(`${file} expires on ${dayOf(validTo)}; renew it`)
  }
  const hosts = [publicUrl.hostname, ...edges.flatMap((edge) => edge.hosts)]
  const bare = [...new Set(hosts)].filter((host) => !certificates.some((each) => isFor(each, host)))
  if (bare.length > 0) warnings.push(`no certificate is for ${listed(bare)}; browsers and agents refuse what they get`)
  return warnings
}

function edgeLines(edge: EdgeConfig, publicUrl: URL): string[] {
  const origins = edge.hosts.map((host) => edge.origin ?? originOn(publicUrl, host))
  const paths = edge.routes.map(pathOf)
  const width = Math.max(...paths.map(({ length }) => length))
  return [
    `  ${listed([...new Set(origins)])}  (${edge.id})`,
    ...edge.routes.map(({ policy }, index) => `    ${paths[index]!.padEnd(width)}  ${whoMayPass(policy)}`), // of each route
    '',
  ]
}

function pathOf(route: RouteConfig): string {
  return route.exact_path ?? `${route.path_prefix}${route.path_prefix.endsWith('/') ? '' : '/'}*`
}

function whoMayPass(policy: PolicyConfig): string {
  const steps = stepsOf(policy)
  return steps.length === 0 ? 'everybody' : steps.join(', and ')
}

function stepsOf({ on_http_request: rules }: PolicyConfig): string[] {
  return rules.flatMap(({ actions }) => actions.map(stepOf)).filter((step) => step !== undefined)
}

/** What an action asks of a visitor; undefined where it asks nothing. */
function stepOf(action: RequestAction): string | undefined {
  switch (action.type) {
    case 'openid-connect': {
      const ways = [action.config, ...(action.config.alternatives ?? [])]
      const places = ways.map(({ issuer_url: issuer, allow, deny }) => {
        const lists = [...Object.keys(allow ?? {}).map((key) => `allow ${key}`), ...(deny ? ['deny'] : [])]
        return `${new URL(issuer).host}${lists.length > 0 ? ` (${lists.join(', ')})` : ''}`
      })
      return `sign-in at ${places.join(' or ')}`
    }
    case 'service-token':
      return 'a service token'
    case 'jwt-validation':
      return `a token of ${listed(action.config.issuer.allow_list.map(({ value }) => value))}`
    case 'basic-auth':
      return 'a user and password'
    case 'restrict-ips':
      return action.config.allow ? `from ${listed(action.config.allow.map(String))}` : undefined
    case 'any-of':
      return action.config.actions
        .map(stepOf)
        .filter((step) => step !== undefined)
        .join(', or ')
    case 'deny':
      return 'nobody'
    case 'add-headers':
    case 'remove-headers':
      return undefined
  }
}

/** Whose app anybody on the internet reaches: often meant so, and a leak where it is not. */
function openWarnings(edges: readonly EdgeConfig[]): string[] {
  const open = edges.filter(({ routes }) =>
    routes.some(({ policy, backend }) => stepsOf(policy).length === 0 && groupsOf(backend).length > 0),
  )
  return open.length === 0 ? [] : [`everybody may pass, on a route of ${listed(open.map(({ id }) => id))}`]
}

function labelSetsOf({ routes }: EdgeConfig): string[] {
  return routes
    .flatMap(({ backend }) => groupsOf(backend))
    .map((labels) => Array.from(labels, ([key, value]) => ` --label ${key}=${value}`).join(''))
}

type AnyBackend = BackendConfig | PlainBackendConfig | WeightedBackendConfig | FailoverBackendConfig

function groupsOf(backend: AnyBackend): ReadonlyMap<string, string>[] {
  if ('failover' in backend) return backend.failover.flatMap(groupsOf)
  if ('weighted' in backend) return backend.weighted.flatMap((each) => groupsOf(each.backend))
  return 'labels' in backend ? [backend.labels] : []
}

/** As the relay chooses by its names; a wildcard host needs a certificate for every host below. */
function isFor(certificate: X509Certificate, host: string): boolean {
  return certificate.checkHost(host.replace(/^\*\./, 'any-name.'), { subject: 'never' }) !== undefined
}

/** Of a date as certificates have it. */
function dayOf(date: string): string {
  return new Date(date).toISOString().slice(0, 10)
}

const LISTED = 4

function listed(words: readonly string[]): string {
  const more = words.length - LISTED
  return more > 0 ? `${words.slice(0, LISTED).join(', ')} and ${more} more` : words.join(', ')
}

function andMore(count: number, what: string): string[] {
  return count > 0 ? [`  … and ${count} more ${what}`, ''] : []
}

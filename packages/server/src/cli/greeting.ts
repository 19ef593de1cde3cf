// The greeting of a started relay for its operator: the addresses for visitors, who may pass there, the tunnels that it
// waits for with a command to paste, and warnings. Pure: values in, lines out.

import { forwardedWords, listed, printable } from '@sallyport/protocol'

import type {
  BackendConfig,
  EdgeConfig,
  FailoverBackendConfig,
  PlainBackendConfig,
  WeightedBackendConfig,
} from '../model/edge-config.ts'
import { policyWarnings } from '../model/policy-warnings.ts'
import type { Config } from '../config/config.ts'
import type { ConfigProblem } from '../errors.ts'
import { originOn } from '../edge/origin-on.ts'
import { isOpenToAll, pathOf, whoMayPass } from '../edge/who-may-pass.ts'
import type { CertificateFindings } from '../listener/tls/certificate-findings.ts'
import { isInternalHost } from '../values/hosts/internal-host.ts'
import { RELAY_VERSION } from '../version.ts'

const SHOWN_EDGES = 20 // of thousands that may be
const SHOWN_COMMANDS = 5
const SHOWN_OF_CERTIFICATES = 5
const SHOWN_REMARKS = 5

export interface Surroundings {
  /** As it was given with --config. */
  file: string
  admin: string
  certificates: CertificateFindings
  /** Remarks on parts of its policies that have an older form, each with its place in the file. */
  remarks: readonly ConfigProblem[]
  /** How to type the command `relay` here. */
  relay: string
  /** How to type `agent` beside apps, on any machine. */
  agent: string
}

/** The lines for the operator of a configuration. */
export function greeting(config: Config, { file, admin, certificates, remarks, relay, agent }: Surroundings): string[] {
  const { edges, public_url: publicUrl } = config
  const path = /^[\w./-]+$/.test(file) ? file : `'${file}'`
  const shown = edges.slice(0, SHOWN_EDGES)
  const commands = [...new Set(edges.flatMap(labelSetsOf))].map(
    (labels) => `  ${agent} tunnel --server ${publicUrl.origin} --authtoken TOKEN${labels} http://localhost:8000`,
  )
  const amiss = [...certificates.problems, ...certificates.warnings]
  const warnings = [
    ...amiss.slice(0, SHOWN_OF_CERTIFICATES).map(({ message }) => message),
    ...openWarnings(edges),
    ...policyWarnings(shown).map(({ message }) => message),
    ...remarks.slice(0, SHOWN_REMARKS).map(({ path, message }) => printable(`${path}: ${message}`)),
  ]
  return [
    `Sallyport relay ${RELAY_VERSION} with ${file}`,
    '',
    ...shown.flatMap((edge) => edgeLines(edge, publicUrl)),
    ...(edges.length === 0
      ? [`  No edge: only agents with a URL of their own (${agent} http) will have visitors`, '']
      : []),
    ...andMore(edges.length - shown.length, 'edges'),
    ...placeRows(publicUrl.origin, admin, config.store.path),
    ...(commands.length > 0
      ? [
          'Waiting for agents. Make an authtoken for each with the first line, and run the other beside its app:',
          '',
          `  ${relay} authtoken create --config ${path}`,
          ...commands.slice(0, SHOWN_COMMANDS),
          ...andMore(commands.length - SHOWN_COMMANDS, 'groups of tunnels'),
          '',
        ]
      : []),
    ...warnings.map((warning) => `Warning: ${warning}`),
    ...andMore(amiss.length - SHOWN_OF_CERTIFICATES, 'about certificates: see relay check').slice(0, 1),
    ...andMore(remarks.length - SHOWN_REMARKS, 'about policies: see relay check').slice(0, 1),
    ...(warnings.length > 0 ? [''] : []),
  ]
}

/** The addresses of the relay for agents and the operator, and the place of its store. */
export function placeRows(agents: string, admin: string, store: string): string[] {
  return [`  Agents     ${agents}`, `  Admin      ${admin}`, `  Store      ${store}`, '']
}

function edgeLines(edge: EdgeConfig, publicUrl: URL): string[] {
  const origins = edge.hosts.map((host) => edge.origin ?? originOn(publicUrl, host))
  const words = isInternal(edge) ? forwardedWords : (said: string): string => said
  const paths = edge.routes.map(pathOf)
  const width = Math.max(...paths.map(({ length }) => length))
  return [
    `  ${listed([...new Set(origins)])}  (${edge.id})`,
    ...edge.routes.map(
      ({ policy }, index) => `    ${paths[index]!.padEnd(width)}  ${words(whoMayPass(policy, edge.on_tcp_connect))}`,
    ), // of each route
    '',
  ]
}

/** Edges whose app anybody on the internet can reach: often intended, otherwise a leak. */
function openWarnings(edges: readonly EdgeConfig[]): string[] {
  const open = edges.filter(
    (edge) =>
      !isInternal(edge) &&
      edge.routes.some(
        ({ policy, backend }) => isOpenToAll(policy, edge.on_tcp_connect) && groupsOf(backend).length > 0,
      ),
  )
  return open.length === 0 ? [] : [`everybody may pass, on a route of ${listed(open.map(({ id }) => id))}`]
}

function isInternal({ hosts }: EdgeConfig): boolean {
  return hosts.some(isInternalHost)
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

function andMore(count: number, what: string): string[] {
  return count > 0 ? [`  … and ${count} more ${what}`, ''] : []
}

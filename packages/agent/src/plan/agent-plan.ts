// Turns the person's flags into the plan that the agent works with: checks every flag and reports all problems at once.
// Pure: no I/O, no environment of its own.

import { LABEL_MAX_CHARS, Secret, parseLabel } from '@sallyport/protocol'
import type { Labels } from '@sallyport/protocol'
import { ConfigError } from '@sallyport/protocol/config-error'
import type { ConfigProblem } from '@sallyport/protocol/config-error'

import { AGENT_COMMAND } from '../agent-command.ts'
import { planEndpoint } from './endpoint-plan.ts'
import type { HealthPlan } from '../app/health-checker.ts'
import type { AgentOptions, TunnelOptions } from './agent-options.ts'
import { parseProxyUrl, proxyFromEnvironment } from './proxy.ts'
import type { SecretsPlace } from './policy-secrets.ts'
import { parseRelayAddress } from './relay-address.ts'
import type { RelayAddress } from './relay-address.ts'
import type { TunnelPlan } from './tunnel-plan.ts'
import { parseUpstream } from '../app/upstream.ts'
import type { Upstream } from '../app/upstream.ts'

export type { AgentOptions, TunnelOptions } from './agent-options.ts'

export interface AgentPlan {
  relay: RelayAddress
  authtoken: Secret
  ca: string | undefined
  proxy: URL | undefined
  connections: number
  tunnels: readonly TunnelPlan[]
  /** Sentences for the person about settings that were ignored. */
  warnings: readonly string[]
}

export const CONNECTIONS_MAX = 16
const CONNECTIONS_PRESET = 2
const METADATA_MAX_CHARS = 4096
const WEIGHT_MAX = 10_000
const HEALTH_INTERVAL_MS = { min: 100, preset: 10_000, max: 3_600_000 }
const HEALTH_TIMEOUT_MS = { min: 10, preset: 5000, max: 60_000 }
const HEALTH_CHECKS_MAX = 100

/**
 * Checks everything and resolves it.
 * @throws ConfigError that names every problem by its flag
 */
export function planAgent(options: AgentOptions): AgentPlan {
  const problems: ConfigProblem[] = []
  const relay = planRelay(options.server, problems)
  const authtoken = planAuthtoken(options.authtoken, problems)
  const warnings: string[] = []
  const proxy = relay && planProxy(relay, options, problems, warnings)
  const { connections = CONNECTIONS_PRESET } = options
  if (!Number.isInteger(connections) || connections < 1 || connections > CONNECTIONS_MAX) {
    problems.push({ path: '--connections', message: `An agent has 1 to ${CONNECTIONS_MAX} connections to its relay.` })
  }
  const tunnels = options.tunnels.map((tunnel) => planTunnel(tunnel, relay, options, problems))
  if (!relay || !authtoken || problems.length > 0) throw new ConfigError(problems)
  return {
    relay,
    authtoken,
    ca: options.ca,
    proxy,
    connections,
    tunnels: tunnels.filter((tunnel) => tunnel !== undefined),
    warnings,
  }
}

function planRelay(server: string | undefined, problems: ConfigProblem[]): RelayAddress | undefined {
  if (!server) {
    problems.push({
      path: '--server',
      message: `The agent does not know its relay. Save it once with "${AGENT_COMMAND} config add-server https://relay.example.com", or give --server or SALLYPORT_SERVER.`,
    })
    return undefined
  }
  const relay = parseRelayAddress(server)
  if (!('problem' in relay)) return relay
  problems.push({ path: '--server', message: relay.problem })
  return undefined
}

function planAuthtoken(authtoken: string | undefined, problems: ConfigProblem[]): Secret | undefined {
  if (!authtoken) {
    problems.push({
      path: '--authtoken',
      message: `The agent has no authtoken. Make one with "relay authtoken create" on the relay's host and save it here with "${AGENT_COMMAND} config add-authtoken -", or give --authtoken or SALLYPORT_AUTHTOKEN.`,
    })
    return undefined
  }
  const problem = authtokenProblem(authtoken)
  if (!problem) return new Secret(authtoken)
  problems.push({ path: '--authtoken', message: problem })
  return undefined
}

/** The problem with an authtoken's form, without showing the token. */
export function authtokenProblem(authtoken: string): string | undefined {
  // RFC 6750 2.1: b64token. Nothing else is possible in the Authorization header.
  if (/^[A-Za-z0-9\-._~+/]{1,1024}=*$/.test(authtoken)) return undefined
  return 'This is not an authtoken: it contains spaces or characters that no authtoken has. Copy it again.'
}

/**
 * The environment names a proxy for every program of the machine: if the agent cannot use it, it says so and ignores
 * it.
 */
function planProxy(
  relay: RelayAddress,
  options: AgentOptions,
  problems: ConfigProblem[],
  warnings: string[],
): URL | undefined {
  const named = options.proxyUrl
  const chosen = named ? { name: '--proxy-url', value: named } : proxyFromEnvironment(relay, options.environment ?? {})
  if (!chosen) return undefined
  const proxy = parseProxyUrl(chosen.value)
  if (!('problem' in proxy)) return proxy
  if (named) problems.push({ path: chosen.name, message: proxy.problem })
  else warnings.push(`${chosen.name} is not used, the relay is dialled directly. ${proxy.problem}`)
  return undefined
}

function planTunnel(
  options: TunnelOptions,
  relay: RelayAddress | undefined,
  ofAgent: SecretsPlace,
  problems: ConfigProblem[],
): TunnelPlan | undefined {
  const before = problems.length
  const { hostHeader = 'preserve', weight = 1, metadata } = options
  const endpoint = options.endpoint && planEndpoint(options.endpoint, relay, ofAgent, problems)
  const labels = endpoint ? new Map<string, string>() : planLabels(options.labels ?? [], problems)
  const upstream = parseUpstream(options.upstream)
  if ('problem' in upstream) problems.push({ path: 'upstream', message: upstream.problem })
  else problems.push(...upstreamProblems(upstream, options))
  if (!/^[A-Za-z0-9._~[\]:-]{1,255}$/.test(hostHeader)) {
    problems.push({
      path: '--host-header',
      message: `"${hostHeader}" is not a Host header. Write preserve, rewrite, or a value such as app.internal:8080`,
    })
  }
  if (!Number.isInteger(weight) || weight < 0 || weight > WEIGHT_MAX) {
    problems.push({ path: '--weight', message: `A weight is a whole number from 0 to ${WEIGHT_MAX}.` })
  }
  const health = planHealth(options, problems)
  if (metadata !== undefined && metadata.length > METADATA_MAX_CHARS) {
    problems.push({ path: '--metadata', message: `Metadata can have ${METADATA_MAX_CHARS} characters at most.` })
  }
  if ('problem' in upstream || problems.length > before) return undefined
  return {
    labels,
    endpoint,
    upstream,
    upstreamTls: {
      ca: options.upstreamCa,
      verify: options.upstreamTlsVerify ?? true,
      pins: (options.upstreamPins ?? []).map((pin) => pin.slice(PIN_PREFIX.length)),
    },
    upstreamProtocol: options.upstreamProtocol ?? 'http1',
    hostHeader,
    weight,
    health,
    name: options.name,
    metadata,
  }
}

/** Flags that do not fit the kind of the upstream. */
function upstreamProblems(upstream: Upstream, options: TunnelOptions): ConfigProblem[] {
  const problems: ConfigProblem[] = []
  const { upstreamPins: pins = [] } = options
  if ('directory' in upstream.target && options.upstreamProtocol === 'http2') {
    problems.push({
      path: '--upstream-protocol',
      message: 'A directory is served over HTTP/1.1; remove this flag.',
    })
  }
  if (pins.length === 0) return problems
  if (!upstream.tls) {
    problems.push({ path: '--upstream-pin', message: `Only an https upstream has a key; ${upstream.url} has none.` })
  }
  if (options.upstreamCa !== undefined) {
    const message = 'A pinned key is trusted whoever signed it; give either --upstream-pin or --upstream-ca.'
    problems.push({ path: '--upstream-pin', message })
  }
  for (const pin of pins) {
    // 32 bytes in base64 (RFC 7469 2.1.1 has the same form, with = for the slash)
    if (/^sha256\/[A-Za-z0-9+/]{43}=$/.test(pin)) continue
    problems.push({
      path: '--upstream-pin',
      message: `"${pin}" is not a pin. Write sha256/ and the SHA-256 of the public key in base64, 44 characters with the = at the end.`,
    })
  }
  return problems
}

function planHealth(options: TunnelOptions, problems: ConfigProblem[]): HealthPlan | undefined {
  const { healthPath: path, healthHealthy: healthy = 2, healthUnhealthy: unhealthy = 3 } = options
  const { healthIntervalMs: intervalMs = HEALTH_INTERVAL_MS.preset } = options
  const { healthTimeoutMs: timeoutMs = HEALTH_TIMEOUT_MS.preset } = options
  const problem = (flag: string, message: string): void => void problems.push({ path: `--health-${flag}`, message })
  if (path === undefined) {
    const { healthIntervalMs, healthTimeoutMs, healthHealthy, healthUnhealthy } = options
    const given = Object.entries({
      interval: healthIntervalMs,
      timeout: healthTimeoutMs,
      healthy: healthHealthy,
      unhealthy: healthUnhealthy,
    })
    for (const [flag, value] of given) {
      if (value !== undefined) problem(flag, 'Nothing is checked without --health-path, for example /healthz.')
    }
    return undefined
  }
  // RFC 9112 3.2.1: origin-form.
  if (!/^\/[\x21\x22\x24-\x7e]{0,2047}$/.test(path)) {
    problem('path', `"${path.slice(0, 100)}" is not a path. Write one such as /healthz, without spaces and #.`)
  }
  if (!(intervalMs >= HEALTH_INTERVAL_MS.min && intervalMs <= HEALTH_INTERVAL_MS.max)) {
    problem('interval', 'The time between two checks is from 100ms to 1h.')
  }
  if (!(timeoutMs >= HEALTH_TIMEOUT_MS.min && timeoutMs <= HEALTH_TIMEOUT_MS.max)) {
    problem('timeout', 'The time for one check is from 10ms to 60s.')
  }
  for (const [flag, count] of Object.entries({ healthy, unhealthy })) {
    if (!Number.isInteger(count) || count < 1 || count > HEALTH_CHECKS_MAX) {
      problem(flag, `A number of checks in a row is from 1 to ${HEALTH_CHECKS_MAX}.`)
    }
  }
  return { path, intervalMs, timeoutMs, healthy, unhealthy }
}

function planLabels(texts: readonly string[], problems: ConfigProblem[]): Labels {
  const labels = new Map<string, string>()
  const problem = (message: string): void => void problems.push({ path: '--label', message })
  if (texts.length === 0) {
    problem('A tunnel needs a label that an edge of the relay selects by, for example --label edge=edg_docs')
  }
  if (texts.length > LABELS_MAX) problem(`A tunnel can carry ${LABELS_MAX} labels at most.`)
  for (const text of texts) {
    const label = parseLabel(text)
    if ('problem' in label) problem(label.problem)
    else if (labels.has(label.key)) problem(`The label ${label.key.slice(0, LABEL_MAX_CHARS)} is given twice.`)
    else labels.set(label.key, label.value)
  }
  return labels
}

const PIN_PREFIX = 'sha256/'
const LABELS_MAX = 32 // the limit of one `bind` message

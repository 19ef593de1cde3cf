// `relay policy check`: checks a policy in a file of its own as a relay would, without a relay.

import { printable } from '@sallyport/protocol'
import { expandPolicyEnv } from '@sallyport/protocol/expand-env'
import type { FoundProblem } from '@sallyport/protocol/found-problem'
import { formatPath, YamlFile } from '@sallyport/protocol/yaml-file'

import { IssuerReach, type IssuerPlaces } from '../config/issuer-reach.ts'
import type { Config } from '../config/config.ts'
import { readConfig } from '../config/load-config.ts'
import { parseConfig } from '../config/parse-config.ts'
import { completeAuthorities } from '../config/schema/authorities-schema.ts'
import { supplyOf, supplyOfAgent, supplyOfSomeAgent, type SourceKeys } from '../config/supply-of.ts'
import { whoMayPass } from '../edge/who-may-pass.ts'
import type { EdgeConfig } from '../model/edge-config.ts'
import { insidePolicy } from '../model/parse-endpoint.ts'
import { warningsOf } from '../model/policy-warnings.ts'
import { readEdges } from '../model/read-edges.ts'
import type { TlsPlace } from '../policy/kind.ts'
import { loadLanguage, mayHaveExpressions } from '../policy/language.ts'
import { authorityWarnings } from '../policy/terminate-tls/authority-warnings.ts'
import { NamesRead, secretsOfAgent } from './agent-secrets.ts'
import { readText } from './read-text.ts'

export interface PolicyCheckOptions {
  /** The relay of the policy; by default one at https://relay.example.com. */
  config?: string
  /** The host of the policy. */
  host?: string
  /** Whether an agent brings it. */
  agent?: boolean
  /** agent.yml of that agent, for the names of its secrets. */
  agentConfig?: string
  json?: boolean
}

/** One problem or warning, for programs. */
interface Told {
  file: string
  line?: number
  column?: number
  /** For instance `on_http_request[0].actions[1].config.allow`. */
  path: string
  message: string
}

/**
 * Prints the problems of a policy, or who may pass it.
 * The exit code is 2 if there are problems.
 * @throws ConfigError if the file cannot be read
 */
export async function checkPolicy(file: string, options: PolicyCheckOptions): Promise<void> {
  const text = await readText(file, 'a policy')
  if (mayHaveExpressions(text, process.env)) await loadLanguage()
  const yaml = new YamlFile(text, file)
  const expanded = expandPolicyEnv(yaml.tree, process.env)
  const read = await readPolicy(expanded.tree, options)
  // All problems of a text with a missing variable have that reason.
  const missing = new Set(expanded.problems.map(({ path }) => formatPath(path)))
  const others = read.problems.filter(({ path }) => !missing.has(formatPath(path)))
  const lineOf = ({ path }: FoundProblem): number => yaml.positionOf(path)?.line ?? 0
  const inOrder = (found: readonly FoundProblem[]): FoundProblem[] => found.toSorted((a, b) => lineOf(a) - lineOf(b))
  const problems = inOrder([...expanded.problems, ...others])
  const remarks = inOrder(read.remarks)
  const note = problems.length === 0 ? read.note : undefined
  // Sentences that begin with the name of the file, without that name.
  const meant = read.edge ? [...warningsOf(read.edge), ...authorityWarnings(read.edge, NO_FILES, Date.now())] : []
  if (problems.length > 0) process.exitCode = 2
  if (options.json) {
    const told = ({ path, message }: FoundProblem): Told => ({
      file,
      ...yaml.positionOf(path),
      path: formatPath(path),
      message,
    })
    const warnings = [...remarks.map(told), ...meant.map((message): Told => ({ file, path: '', message }))]
    const notes = note === undefined ? [] : [{ file, path: '', message: note }]
    const isFine = problems.length === 0
    console.log(JSON.stringify({ ok: isFine, problems: problems.map(told), warnings, notes }, undefined, 2))
    return
  }
  // In the format of compilers, so that editors find the place.
  const line = ({ path, message }: FoundProblem): string => printable(`${yaml.placeAndPath(path)}: ${message}`)
  for (const remark of remarks) console.error(`Warning: ${line(remark)}`)
  for (const sentence of meant) console.error(printable(`Warning: ${file} ${sentence}`))
  if (note !== undefined) console.error(printable(`Note: ${file} ${note}`))
  for (const problem of problems) console.error(line(problem))
  const [route] = read.edge?.routes ?? []
  if (route && problems.length === 0) {
    console.log(`${file}: fine. Visitors: ${whoMayPass(route.policy, read.edge?.on_tcp_connect)}.`)
  }
}

interface ReadPolicy {
  edge?: EdgeConfig | undefined
  problems: FoundProblem[]
  remarks: FoundProblem[]
  /** What the check cannot know. */
  note: string | undefined
}

async function readPolicy(
  policy: unknown,
  { config, host = 'policy.example.com', agentConfig, agent = agentConfig !== undefined }: PolicyCheckOptions,
): Promise<ReadPolicy> {
  const known = config === undefined ? undefined : await configOf(config)
  const relay = known ?? SOME_RELAY
  const secrets = agentConfig === undefined ? undefined : await secretsOfAgent(agentConfig)
  const names = new NamesRead()
  const supplyForAgent = secrets
    ? { ...supplyOfAgent(relay, secrets), secretOf: undefined } // of variables of the agent's environment
    : supplyOfSomeAgent(relay, (vault, name) => names.note(vault, name))
  const {
    edges: [edge] = [],
    problems = [],
    remarks,
  } = readEdges([{ id: 'edg_policy', hosts: [host], policy }], {
    publicUrl: relay.public_url,
    identityJwt: true,
    folder: process.cwd(),
    ...(known && { tls: tlsPlaceOf(known, agent) }),
    supply: agent ? supplyForAgent : supplyOf(relay),
    ...(agent && { agent: { issuers: new IssuerReach(relay) } }),
  })
  return { edge, problems: problems.map(insidePolicy), remarks: remarks.map(insidePolicy), note: names.remark }
}

/** This command reads no files of authorities: they are on the relay's machine. */
const NO_FILES = { of: () => [] }

const SOME_RELAY: IssuerPlaces & SourceKeys = {
  public_url: new URL('https://relay.example.com'),
  listen: {},
  endpoints: { private_issuers: [] },
}

/** Agents do not see the authorities of the relay. */
function tlsPlaceOf({ listen, certificate_authorities }: Config, isAgents = false): TlsPlace {
  const authorities = completeAuthorities(isAgents ? {} : certificate_authorities, process.cwd())
  return { endsHere: listen.https !== undefined, authorities }
}

async function configOf(file: string): Promise<Config> {
  const { text, source } = await readConfig(file)
  return parseConfig(text, { source, env: process.env })
}

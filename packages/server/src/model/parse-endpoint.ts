// The policy that an agent sends for an endpoint of its own, from untrusted JSON to the configuration of an edge: the
// same schema, the same checks and the same defaults as an edge of relay.yml has, and fewer possibilities. `${ENV}`
// means nothing here, and nothing here may name a file or an address of the relay's machine.

import { parseBasicCredential } from '../values/basic-credential.ts'
import { checkEdges } from './check-edges.ts'
import type { EdgeConfig } from './edge-config.ts'
import type { FoundProblem } from '@sallyport/protocol/found-problem'
import { completeEdge } from './complete-edge.ts'
import { COST, parsePasswordHash } from '../values/password-hash.ts'
import { edgeSchema } from './edge-schema.ts'
import { parseWithSchema } from './schema-problems.ts'

export interface EndpointPlace {
  /** Of the edge that it will be. */
  id: string
  host: string
  publicUrl: URL
  /** Why an agent may not name a provider: the end of a sentence. */
  issuers: { problemOf: (issuer: URL) => string | undefined }
  /** Where the policy says nothing about it. */
  identityJwt: boolean
}

export type ParsedEndpoint =
  | { ok: true; edge: EdgeConfig; signsIn: boolean }
  /** Their paths start inside the policy. */
  | { ok: false; problems: readonly FoundProblem[] }

// What is new in relay.yml is not an agent's until it stands here.
const ACTIONS: Record<string, readonly string[]> = {
  'openid-connect': [
    'issuer_url',
    'client_id',
    'client_secret',
    'scopes',
    'auth_id',
    'client_authentication',
    'id_token_alg',
    'authz_url_params',
    'force_reauthentication',
    'allow_cors_preflight',
    'idle_session_duration',
    'max_session_duration',
    'userinfo_refresh_interval',
    'allow',
    'deny',
    'email_verified',
    'allowed_origins',
    'identity_jwt',
    'identity_groups',
    'forward_access_token',
    'title',
  ],
  'basic-auth': ['credentials', 'realm', 'forward_credentials'],
  'restrict-ips': ['allow', 'deny'],
  deny: ['status_code'],
  'add-headers': ['headers'],
  'remove-headers': ['headers'],
}

export function parseEndpoint(
  policy: unknown,
  { id, host, publicUrl, issuers, identityJwt }: EndpointPlace,
): ParsedEndpoint {
  const read = parseWithSchema(edgeSchema, { id, hosts: [host], ...(policy !== undefined && { policy }) })
  if ('problems' in read) {
    const problems = [...read.unknownKeys, ...read.problems]
    return { ok: false, problems: problems.map((problem) => below(problem, ['policy'])) }
  }
  const parts = { index: 0, id, hosts: [host], edge: read.value }
  const found = checkEdges({ publicUrl, edges: [parts] })
  const problems = found.map((problem) => below(problem, ['edges', 0, 'policy']))
  // The schema has just seen that it is one.
  const steps = [...stepsOf(policy as WrittenPolicy | undefined)]
  for (const step of steps) problems.push(...reachProblems(step), ...passwordProblems(step))

  if (problems.length > 0) return { ok: false, problems }
  const edge = completeEdge(read.value, identityJwt, '/') // no file is left that would be looked for there
  const signIns = steps.filter(({ action }) => action.type === 'openid-connect')
  // The operator may name a provider inside; whoever holds an authtoken sits elsewhere.
  const inward = signIns.flatMap(({ path, action }): FoundProblem[] => {
    const message = issuers.problemOf(new URL(String(action.config?.['issuer_url'])))
    return message === undefined ? [] : [{ path: [...path, 'config', 'issuer_url'], message }]
  })
  if (inward.length > 0) return { ok: false, problems: inward }
  return { ok: true, edge, signsIn: signIns.length > 0 }
}

/** As much of a policy's form as is looked at here. */
type WrittenPolicy = Partial<Record<(typeof PHASES)[number], { actions: WrittenAction[] }[]>>

interface WrittenAction {
  type: string
  config?: Record<string, unknown>
}

interface Step {
  path: PropertyKey[]
  action: WrittenAction
}

const PHASES = ['on_http_request', 'on_http_response'] as const

function* stepsOf(policy: WrittenPolicy | undefined): Iterable<Step> {
  for (const phase of PHASES) {
    for (const [rule, { actions }] of (policy?.[phase] ?? []).entries()) {
      for (const [index, action] of actions.entries()) yield { path: [phase, rule, 'actions', index], action }
    }
  }
}

/** What only the operator may write. */
function* reachProblems({ path, action: { type, config = {} } }: Step): Iterable<FoundProblem> {
  const keys = Object.hasOwn(ACTIONS, type) ? ACTIONS[type] : undefined
  if (!keys) {
    yield { path: [...path, 'type'], message: `${type} is possible only in the configuration of the relay` }
    return
  }
  for (const key of Object.keys(config)) {
    if (keys.includes(key)) continue
    yield { path: [...path, 'config', key], message: 'is possible only in the configuration of the relay' }
  }
}

/** What checking a password costs is the operator's, so an agent may not make it dear. */
function* passwordProblems({ path, action: { type, config = {} } }: Step): Iterable<FoundProblem> {
  if (type !== 'basic-auth' || !Array.isArray(config['credentials'])) return
  const hashed = new Set<string>()
  for (const [index, written] of config['credentials'].entries()) {
    const read = typeof written === 'string' ? parseBasicCredential(written) : undefined
    const hash = read && 'user' in read && parsePasswordHash(read.password)
    if (!hash) continue
    const problem = (message: string): FoundProblem => ({ path: [...path, 'config', 'credentials', index], message })
    if (hash.cost > COST) {
      yield problem(
        `has a hash with ln=${hash.cost}, which takes too long here; use what relay hash-password prints (ln=${COST})`,
      )
    }
    // Every hash of a user is tried in turn.
    if (hashed.has(read.user)) yield problem('is a second hash for the same user; an endpoint takes one for each')
    hashed.add(read.user)
  }
}

function below({ path, message }: FoundProblem, parent: readonly PropertyKey[]): FoundProblem {
  return { path: path.slice(parent.length), message }
}

// The policy of an agent for its endpoint: from the text in `bind` to the configuration of an edge. Pure.

import { createHash } from 'node:crypto'

import { BOUND_REMARKS_MAX, POLICY_MAX_BYTES, SECRETS_MAX, SECRET_NAME_MAX_CHARS, Secret } from '@sallyport/protocol'
import type { BindProblem } from '@sallyport/protocol'
import { z } from 'zod'

import type { Vaults } from '../../config/schema/sources-schema.ts'
import type { EdgeConfig, PolicyConfig } from '../../model/edge-config.ts'
import type { Supply } from '../../policy/engine/tree/demands.ts'
import { kindOf } from '../../policy/kind.ts'
import { KINDS } from '../../policy/kinds.ts'
import type { FoundProblem } from '@sallyport/protocol/found-problem'
import { parseEndpoint } from '../../model/parse-endpoint.ts'
import type { EndpointPlace } from '../../model/parse-endpoint.ts'
import { NO_SECRETS } from '../../policy/sources/policy-sources.ts'
import { isInternalHost } from '../../values/hosts/internal-host.ts'
import type { EndpointRefused } from '../../tunnel/endpoint-binder.ts'
import { refuseEndpoint } from './refuse-endpoint.ts'

const PROBLEMS_MAX = 64 // the limit of one `refused`, and in bytes
const PROBLEMS_MAX_BYTES = 32 * 1024

export interface EndpointPolicy {
  config: EdgeConfig
  /** As the agent sent it. */
  policy: unknown
  secrets: Vaults
  /** A text that is equal for policies with the same meaning and the same secrets. */
  digest: string
  /** Remarks on parts of it that have an older form, or may not do what the author expects. */
  remarks: readonly BindProblem[]
}

export interface EndpointPolicyPlace extends Omit<EndpointPlace, 'supply'> {
  readonly requireSignIn: boolean
  /** The data that the policy may read, with its own secrets. */
  readonly supplyWith: (secrets: Vaults) => Supply
}

export function readEndpointPolicy(
  policy: unknown,
  { requireSignIn, supplyWith, ...place }: EndpointPolicyPlace,
): EndpointPolicy | EndpointRefused {
  const taken = takeSecrets(policy)
  if (!taken)
    return refuseEndpoint('bind_invalid', 'the secrets of the policy are not a list of vaults, names and values')
  const { rules, written, secrets } = taken
  const parsed = parseEndpoint(rules, { ...place, supply: supplyWith(secrets) })
  if (!parsed.ok) {
    const { problems } = parsed
    const reason = `the policy of the endpoint has ${problems.length === 1 ? 'a problem' : `${problems.length} problems`}`
    return refuseEndpoint('bind_invalid', reason, forTheAgent(problems))
  }
  // Visitors reach an internal endpoint only through a policy: the operator's, or one that has passed this check.
  if (
    requireSignIn &&
    !isInternalHost(place.host) &&
    !parsed.edge.routes.every(({ policy: rules }) => alwaysSignsIn(rules))
  ) {
    const reason = 'this relay takes endpoints with sign-in only (require_sign_in); add --oidc and its further flags'
    return refuseEndpoint('bind_not_permitted', reason)
  }
  const canonical = canonicalJson(rules) + (written.length > 0 ? canonicalJson(written.toSorted(inOrder)) : '')
  if (Buffer.byteLength(canonical) > POLICY_MAX_BYTES) {
    return refuseEndpoint(
      'bind_invalid',
      `the policy of the endpoint, with its secrets, is larger than ${POLICY_MAX_BYTES} bytes`,
    )
  }
  const digest = createHash('sha256').update(canonical).digest('hex')
  const remarks = forTheAgent(parsed.remarks.slice(0, BOUND_REMARKS_MAX))
  return { config: parsed.edge, policy, secrets, digest, remarks }
}

const name = z.string().min(1).max(SECRET_NAME_MAX_CHARS)
/** Vault, name and value of each. A list, so that no name can be a key that means something else. */
const secretsSchema = z.array(z.tuple([name, name, z.string().min(1).max(POLICY_MAX_BYTES)])).max(SECRETS_MAX)
type WrittenSecrets = z.output<typeof secretsSchema>

interface Taken {
  /** The policy without its secrets. */
  readonly rules: unknown
  readonly written: WrittenSecrets
  readonly secrets: Vaults
}

/** Takes the secrets of agent.yml out of a policy. They are never shown, not even to the operator. */
function takeSecrets(policy: unknown): Taken | undefined {
  if (typeof policy !== 'object' || policy === null || !('secrets' in policy)) {
    return { rules: policy, written: [], secrets: NO_SECRETS }
  }
  const { secrets: found, ...rules } = policy
  const read = secretsSchema.safeParse(found)
  if (!read.success) return undefined
  const vaults = new Map<string, Map<string, Secret>>()
  for (const [vault, each, value] of read.data) {
    const secrets = vaults.get(vault) ?? new Map<string, Secret>()
    vaults.set(vault, secrets.set(each, new Secret(value)))
  }
  return { rules, written: read.data, secrets: vaults }
}

function inOrder(one: WrittenSecrets[number], other: WrittenSecrets[number]): number {
  return JSON.stringify(one) < JSON.stringify(other) ? -1 : 1
}

/** Whether every visitor who has not signed in gets only a refusal. No condition may let a visitor skip the sign-in. */
function alwaysSignsIn({ on_http_request: rules }: PolicyConfig): boolean {
  for (const { expressions, actions } of rules) {
    for (const { type } of actions) {
      const kind = kindOf(KINDS, type)
      if (kind?.signIns && !expressions) return true
      if (kind?.mayAnswer || (kind?.admits === 'nobody' && type !== 'deny')) return false // it answers by itself
    }
  }
  return false
}

/** As many problems as fit into a message, because an agent can make the text of a problem long. */
function forTheAgent(found: readonly FoundProblem[]): BindProblem[] {
  const problems: BindProblem[] = []
  let bytes = 0
  for (const { path, message } of found.slice(0, PROBLEMS_MAX)) {
    const steps = path.slice(0, 32).map((step) => (typeof step === 'number' ? step : String(step).slice(0, 256)))
    const problem = { path: steps, message: message.slice(0, 512) }
    bytes += Buffer.byteLength(JSON.stringify(problem))
    if (bytes > PROBLEMS_MAX_BYTES) break
    problems.push(problem)
  }
  return problems
}

/**
 * The same text for the same meaning, in any order of keys. Only for values that have passed a schema, which bounds the
 * depth.
 */
function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return `{${entries.map(([key, each]) => `${JSON.stringify(key)}:${canonicalJson(each)}`).join(',')}}`
}

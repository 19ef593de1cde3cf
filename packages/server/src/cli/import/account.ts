// The contents of documents of ngrok's API: edges, and the backends, IP rules and certificate authorities that edges name by their
// ids. Each document is one resource, a list, or the answer to a list request. Pure.

import { ipPoliciesSchema } from '../../config/schema/sources-schema.ts'
import { parseWithSchema } from '../../model/schema/schema-problems.ts'
import type { IpPolicy } from '../../policy/engine/tree/demands.ts'
import type { Written } from './written.ts'

interface IpRules {
  readonly allow: string[]
  readonly deny: string[]
}

export interface Account {
  readonly edges: readonly Written[]
  readonly backends: ReadonlyMap<string, Written>
  /** By their ids, as `ip_policies:` of relay.yml takes them. */
  readonly ipPolicies: ReadonlyMap<string, IpPolicy>
  /** Why an IP policy cannot be taken over, by its id. */
  readonly ipPolicyProblems: ReadonlyMap<string, string>
  /** Certificates in PEM, by their ids. */
  readonly authorities: ReadonlyMap<string, string>
}

export function readAccount(documents: readonly Written[]): Account {
  const edges: Written[] = []
  const backends = new Map<string, Written>()
  const ipRules = new Map<string, IpRules>()
  const authorities = new Map<string, string>()
  for (const resource of documents.flatMap(resourcesIn)) {
    const id = resource.at('id').text ?? ''
    const pem = resource.at('ca_pem').text
    if (resource.at('hostports').value !== undefined || Array.isArray(resource.at('routes').value)) edges.push(resource)
    else if (resource.at('cidr').text !== undefined) addRule(ipRules, resource)
    else if (pem !== undefined) authorities.set(id, pem)
    else if (isBackend(resource)) backends.set(id, resource)
  }
  return { edges, backends, authorities, ...ipPoliciesOf(ipRules) }
}

/** Whether it is a whole backend, and not only a reference by id. */
export function isBackend(part: Written): boolean {
  return ['labels', 'backends', 'status_code', 'address'].some((key) => part.at(key).value !== undefined)
}

const LISTS = ['https_edges', 'backends', 'ip_policy_rules', 'certificate_authorities']

function resourcesIn(document: Written): Written[] {
  if (Array.isArray(document.value)) return document.entries.flatMap(resourcesIn)
  const lists = LISTS.map((key) => document.at(key)).filter(({ value }) => Array.isArray(value))
  // A failover backend has a list of ids under `backends`.
  const isResource = document.at('id').text !== undefined
  return isResource || lists.length === 0 ? [document] : lists.flatMap(({ entries }) => entries)
}

function ipPoliciesOf(ipRules: ReadonlyMap<string, IpRules>): Pick<Account, 'ipPolicies' | 'ipPolicyProblems'> {
  const ipPolicies = new Map<string, IpPolicy>()
  const ipPolicyProblems = new Map<string, string>()
  for (const [id, { allow, deny }] of ipRules) {
    const policy = { ...(allow.length > 0 && { allow }), ...(deny.length > 0 && { deny }) }
    const read = parseWithSchema(ipPoliciesSchema, { [id]: policy })
    if ('value' in read) ipPolicies.set(id, policy)
    else ipPolicyProblems.set(id, `${id} ${read.problems[0]?.message}`)
  }
  return { ipPolicies, ipPolicyProblems }
}

function addRule(ipRules: Map<string, IpRules>, rule: Written): void {
  const policy = rule.at('ip_policy').at('id').text ?? rule.at('ip_policy_id').text ?? ''
  const rules = ipRules.get(policy) ?? { allow: [], deny: [] }
  ipRules.set(policy, rules)
  const cidr = rule.at('cidr').text ?? ''
  // Every other action denies.
  if (rule.at('action').value === 'allow') rules.allow.push(cidr)
  else rules.deny.push(cidr)
}

// The data that policies may demand: policies of relay.yml, and policies of agents. Pure: no I/O, no clock.

import type { Need } from '../policy/engine/variables/record.ts'
import type { Supply } from '../policy/engine/tree/demands.ts'
import type { Config } from './config.ts'
import type { ListFiles, Vaults } from './schema/sources-schema.ts'

/** The keys of relay.yml that expressions depend on; undefined if one could not be read. */
export interface SourceKeys {
  readonly region?: Config['region'] | undefined
  readonly secrets?: Vaults | undefined
  readonly geo?: Config['geo'] | undefined
  readonly ip_lists?: ListFiles | undefined
  readonly ip_policies?: Config['ip_policies'] | undefined
}

export function supplyOf(keys: SourceKeys): Supply {
  const { secrets, ip_policies: ipPolicies = new Map() } = keys
  return {
    known: new Set(knownBy(keys)),
    hasSecret: (vault, name) => secrets?.get(vault)?.has(name) ?? false,
    secretOf: (vault, name) => secrets?.get(vault)?.get(name)?.reveal(),
    ipPolicies,
  }
}

/**
 * All that the operator has set up about visitors, except the names of lists, which would tell about the operator, and IP
 * policies, whose ids an agent could guess.
 * @param secrets the agent's own
 */
export function supplyOfAgent(keys: SourceKeys, secrets: Vaults): Supply {
  const supply = supplyOf({ ...keys, secrets, ip_policies: undefined })
  return { ...supply, known: new Set([...supply.known].filter((need) => !NOT_FOR_AGENTS.has(need))) }
}

/**
 * For a check without the agent: it may bring any secret.
 * @param onSecret called with each secret that the policy reads by its name
 */
export function supplyOfSomeAgent(
  keys: SourceKeys,
  onSecret: (vault: string, name: string) => void = () => {},
): Supply {
  const hasSecret = (vault: string, name: string): boolean => {
    onSecret(vault, name)
    return true
  }
  return { ...supplyOfAgent(keys, new Map()), hasSecret, secretOf: undefined }
}

const NOT_FOR_AGENTS: ReadonlySet<Need> = new Set(['ip_lists'])

function* knownBy({ region, geo, ip_lists: lists }: SourceKeys): Generator<Need> {
  if (region !== undefined) yield 'region'
  if (geo?.city_file !== undefined) yield 'city_file'
  if (geo?.asn_file !== undefined) yield 'asn_file'
  if (!lists || lists.size === 0) return
  yield 'ip_lists'
  // Only these two names: without such a list, its variable would be false for everybody.
  if (lists.has('blocklist')) yield 'blocklist'
  if (lists.has('tor')) yield 'tor'
}

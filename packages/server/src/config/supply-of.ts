// What policies may demand: those of relay.yml, and those of agents. Pure: no I/O, no clock.

import type { Need } from '../policy/engine/variables/record.ts'
import type { Supply } from '../policy/engine/tree/demands.ts'
import type { Config } from './config.ts'
import type { Vaults } from './schema/sources-schema.ts'

/** The keys of relay.yml that expressions depend on; undefined if one could not be read. */
export interface SourceKeys {
  readonly region?: Config['region'] | undefined
  readonly secrets?: Vaults | undefined
}

export function supplyOf(keys: SourceKeys): Supply {
  const { secrets } = keys
  return { known: new Set(knownBy(keys)), hasSecret: (vault, name) => secrets?.get(vault)?.has(name) ?? false }
}

/** @param secrets those that the agent has brought */
export function supplyOfAgent(keys: SourceKeys, secrets: Vaults): Supply {
  return supplyOf({ ...keys, secrets })
}

/** For a check without the agent: whichever secrets it will bring. */
export function supplyOfSomeAgent(keys: SourceKeys): Supply {
  return { ...supplyOfAgent(keys, new Map()), hasSecret: () => true }
}

function* knownBy({ region }: SourceKeys): Generator<Need> {
  if (region !== undefined) yield 'region'
}

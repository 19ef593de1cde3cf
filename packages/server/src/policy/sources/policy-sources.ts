// Makes the sources of policies. The operator's have everything that relay.yml sets up. An agent's have its own secrets, and of the
// operator's data what is about the visitor, without the names of the operator's lists.

import type { Config } from '../../config/config.ts'
import type { Vaults } from '../../config/schema/sources-schema.ts'
import type { Lookups } from '../engine/facts.ts'
import type { Sources } from './sources.ts'

export class PolicySources {
  readonly ofOperator: Sources
  readonly #region: string | undefined
  readonly #lookupsOfAgents: Lookups

  constructor({ region, secrets }: Pick<Config, 'region' | 'secrets'>, lookups: Lookups) {
    this.#region = region
    this.ofOperator = { region, lookups, secret: secretIn(secrets) }
    const { lists: _, ...ofAgents } = lookups
    this.#lookupsOfAgents = ofAgents
  }

  /** @param secrets those that the agent has brought: it sees no other */
  ofAgent(secrets: Vaults): Sources {
    return { region: this.#region, lookups: this.#lookupsOfAgents, secret: secretIn(secrets) }
  }
}

export const NO_SECRETS: Vaults = new Map()

function secretIn(vaults: Vaults): Sources['secret'] {
  return (vault, name) => vaults.get(vault)?.get(name)?.reveal()
}

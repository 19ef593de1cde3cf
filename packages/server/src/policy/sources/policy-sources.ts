// Makes the sources of policies. The operator's policies read everything that relay.yml sets up. An agent's policies read
// its own secrets, and the operator's data about visitors without the names of lists.

import type { Config } from '../../config/config.ts'
import type { Vaults } from '../../config/schema/sources-schema.ts'
import type { Lookups } from '../engine/facts.ts'
import type { Sources } from './sources.ts'

export class PolicySources {
  readonly ofOperator: Sources
  #secrets: Vaults
  readonly #region: string | undefined
  readonly #lookupsOfAgents: Lookups

  constructor({ region, secrets }: Pick<Config, 'region' | 'secrets'>, lookups: Lookups) {
    this.#region = region
    this.#secrets = secrets
    this.ofOperator = { region, lookups, secret: (vault, name) => secretOf(this.#secrets, vault, name) }
    const { lists: _, ...ofAgents } = lookups
    this.#lookupsOfAgents = ofAgents
  }

  /** Takes over the secrets of another configuration. Unchanged edges of the operator read them, too. */
  takeSecrets(secrets: Vaults): void {
    this.#secrets = secrets
  }

  /** @param secrets the agent's own: it sees no others */
  ofAgent(secrets: Vaults): Sources {
    return {
      region: this.#region,
      lookups: this.#lookupsOfAgents,
      secret: (vault, name) => secretOf(secrets, vault, name),
    }
  }
}

export const NO_SECRETS: Vaults = new Map()

function secretOf(vaults: Vaults, vault: string, name: string): string | undefined {
  return vaults.get(vault)?.get(name)?.reveal()
}

// Makes the sources of policies: the operator's have everything that relay.yml sets up, an agent's its own secrets, and of the
// operator's data what `agentMayRead` says.

import type { Config } from '../../config/config.ts'
import type { Vaults } from '../../config/schema/sources-schema.ts'
import type { Sources } from './sources.ts'

export class PolicySources {
  readonly ofOperator: Sources
  readonly #region: string | undefined

  constructor({ region, secrets }: Pick<Config, 'region' | 'secrets'>) {
    this.#region = region
    this.ofOperator = { region, lookups: {}, secret: secretIn(secrets) }
  }

  /** @param secrets those that the agent has brought: it sees no other */
  ofAgent(secrets: Vaults): Sources {
    return { region: this.#region, lookups: {}, secret: secretIn(secrets) }
  }
}

export const NO_SECRETS: Vaults = new Map()

function secretIn(vaults: Vaults): Sources['secret'] {
  return (vault, name) => vaults.get(vault)?.get(name)?.reveal()
}

// Makes the sources of policies. The operator's policies read everything that relay.yml sets up. An agent's policies read
// its own secrets, and the operator's data about visitors without the names of lists.

import type { Config } from '../../config/config.ts'
import type { Vaults } from '../../config/schema/sources-schema.ts'
import type { Lookups } from '../engine/facts.ts'
import type { Sources } from './sources.ts'

/** The keys of relay.yml that sources are made of. */
export type SourceKeys = Pick<Config, 'region' | 'secrets' | 'geo' | 'ip_lists' | 'ip_policies'>

/**
 * The sources of all policies. When relay.yml has changed, they stay the same objects and have the new data. So unchanged
 * edges read it, too, and need not be built again.
 */
export class PolicySources {
  readonly ofOperator: Sources
  readonly #files: { readonly lookups: Lookups }
  #keys: SourceKeys

  /** @param files the operator's files, whose lookups change when others are taken over */
  constructor(keys: SourceKeys, files: { readonly lookups: Lookups }) {
    this.#keys = keys
    this.#files = files
    this.ofOperator = this.#sources(
      () => files.lookups,
      () => this.#keys.secrets,
    )
  }

  /** The keys of the present configuration. */
  get keys(): SourceKeys {
    return this.#keys
  }

  /** Takes over the data of another configuration. */
  take({ region, secrets, geo, ip_lists, ip_policies }: SourceKeys): void {
    this.#keys = { ...(region !== undefined && { region }), secrets, geo, ip_lists, ip_policies }
  }

  /** @param secrets the agent's own: it sees no others */
  ofAgent(secrets: Vaults): Sources {
    return this.#sources(
      () => lookupsOfAgents(this.#files.lookups),
      () => secrets,
    )
  }

  #sources(lookups: () => Lookups, secrets: () => Vaults): Sources {
    const region = (): string | undefined => this.#keys.region
    return {
      get region() {
        return region()
      },
      get lookups() {
        return lookups()
      },
      secret: (vault, name) => secrets().get(vault)?.get(name)?.reveal(),
    }
  }
}

/** Made once for each set of the operator's files, because every expression of an agent asks for it. */
const ofAgents = new WeakMap<Lookups, Lookups>()

function lookupsOfAgents(lookups: Lookups): Lookups {
  const known = ofAgents.get(lookups)
  if (known) return known
  const { lists: _, ...others } = lookups
  ofAgents.set(lookups, others)
  return others
}

export const NO_SECRETS: Vaults = new Map()

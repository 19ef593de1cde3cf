// Which edge gets a host that several edges claim. Edges of the operator win, in the order of the sources. An edge of an
// agent gets a host only if no edge of the operator covers it, wildcards included. There are two tables of winners: hosts
// of visitors, and internal endpoints, which no Host reaches.

import { isInternalHost } from '../values/hosts/internal-host.ts'
import { EdgeTable } from './edge-table.ts'
import type { Edge } from './edge.ts'

/** The operator's sources, in order of precedence: relay.yml, and the store. */
export const CONFIGURED = ['file', 'store'] as const

/** The source of edges: one of the operator's, or agents. */
export type EdgeSource = (typeof CONFIGURED)[number] | 'agents'

/** Where hosts are looked up. */
export interface HostTables {
  /** By the `Host` of a visitor's request. */
  readonly visitors: EdgeTable
  /** By policies alone. */
  readonly internal: EdgeTable
}

export class HostClaims {
  readonly #tables: HostTables
  /** The operator's edges alone. */
  readonly #configured = new EdgeTable()
  /** By host, as the configuration writes it. If two edges of one source claim a host, the later one has it. */
  readonly #claims: Readonly<Record<EdgeSource, Map<string, Edge>>> = {
    file: new Map(),
    store: new Map(),
    agents: new Map(),
  }

  constructor(tables: HostTables) {
    this.#tables = tables
  }

  claim(source: EdgeSource, edge: Edge): void {
    for (const host of edge.hosts) {
      this.#claims[source].set(host, edge)
      this.#settle(host)
    }
  }

  /** Gives up the hosts of an edge, except those that another edge of its source has claimed since. */
  yield(source: EdgeSource, edge: Edge): void {
    const claims = this.#claims[source]
    for (const host of edge.hosts) {
      if (claims.get(host) !== edge) continue
      claims.delete(host)
      this.#settle(host)
    }
  }

  /** The edge that a host leads to: that of a visitor, or of a policy. */
  at(host: string): Edge | undefined {
    return this.#tableOf(host).find(host)
  }

  /** Whether an edge of the operator covers a host. */
  isConfigured(host: string): boolean {
    return this.#configured.find(host) !== undefined
  }

  #settle(host: string): void {
    const configured = CONFIGURED.map((source) => this.#claims[source].get(host)).find((edge) => edge !== undefined)
    this.#configured.set(host, configured)
    this.#tableOf(host).set(host, configured ?? this.#agentsEdgeAt(host))
    if (!host.startsWith('*.')) return
    const below = host.slice(1)
    for (const each of this.#claims.agents.keys()) {
      if (each.endsWith(below)) this.#tableOf(each).set(each, this.#agentsEdgeAt(each))
    }
  }

  #tableOf(host: string): EdgeTable {
    return isInternalHost(host) ? this.#tables.internal : this.#tables.visitors
  }

  #agentsEdgeAt(host: string): Edge | undefined {
    return this.isConfigured(host) ? undefined : this.#claims.agents.get(host)
  }
}

// Which edge gets a host that several edges claim. Edges of the operator win, in the order of the sources. An edge of an agent
// gets a host only if no edge of the operator covers it, wildcards included. The winners are in the table of visitors.

import { EdgeTable } from './edge-table.ts'
import type { Edge } from './edge.ts'

/** The source of edges: relay.yml, or agents. */
export type EdgeSource = 'file' | 'agents'

/** The operator's sources, in order of precedence. */
const CONFIGURED = ['file'] as const

export class HostClaims {
  readonly #table: EdgeTable
  /** The operator's edges alone. */
  readonly #configured = new EdgeTable()
  /** By host, as the configuration writes it. If two edges of one source claim a host, the later one has it. */
  readonly #claims: Readonly<Record<EdgeSource, Map<string, Edge>>> = { file: new Map(), agents: new Map() }

  constructor(table: EdgeTable) {
    this.#table = table
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

  /** Whether an edge of the operator covers a host. */
  isConfigured(host: string): boolean {
    return this.#configured.find(host) !== undefined
  }

  #settle(host: string): void {
    const configured = CONFIGURED.map((source) => this.#claims[source].get(host)).find((edge) => edge !== undefined)
    this.#configured.set(host, configured)
    this.#table.set(host, configured ?? this.#agentsEdgeAt(host))
    if (!host.startsWith('*.')) return
    const below = host.slice(1)
    for (const each of this.#claims.agents.keys()) {
      if (each.endsWith(below)) this.#table.set(each, this.#agentsEdgeAt(each))
    }
  }

  #agentsEdgeAt(host: string): Edge | undefined {
    return this.isConfigured(host) ? undefined : this.#claims.agents.get(host)
  }
}

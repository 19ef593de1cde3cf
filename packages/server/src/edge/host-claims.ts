// Who has which host. Several edges may ask for one: the operator's win, in the order of the sources, and an agent's has a
// host only where none of theirs covers it, wildcards included. What wins is written into the table of visitors.

import { EdgeTable } from './edge-table.ts'
import type { Edge } from './edge.ts'

/** Where edges come from: relay.yml, or agents. */
export type EdgeSource = 'file' | 'agents'

/** The operator's, in the order in which they win. */
const CONFIGURED = ['file'] as const

export class HostClaims {
  readonly #table: EdgeTable
  /** The operator's edges alone. */
  readonly #configured = new EdgeTable()
  /** By host as it is written. Where two edges of one source ask for it, the later has it. */
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

  /** Takes back what an edge has claimed, unless another one of its source has it by now. */
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

// Host → edge. Exact hosts first, then the closest wildcard. Hosts arrive in normal form from admission. Those of
// relay.yml stay; those that agents bring (endpoints.ts) come and go.

import { RelayError } from '../errors.ts'
import type { Edge } from './edge.ts'

export class EdgeTable {
  readonly #exact = new Map<string, Edge>()
  /** Keyed by what stands behind `*.`. */
  readonly #wildcards = new Map<string, Edge>()

  /** An edge that is there for one of the hosts gives way. */
  add(edge: Edge, hosts: readonly string[]): void {
    for (const host of hosts) {
      if (host.startsWith('*.')) this.#wildcards.set(host.slice(2), edge)
      else this.#exact.set(host, edge)
    }
  }

  /** Takes an exact host out again, unless another edge has it by now. */
  remove(edge: Edge, host: string): void {
    if (this.#exact.get(host) === edge) this.#exact.delete(host)
  }

  /** @throws RelayError `edge_not_found` */
  at(host: string): Edge {
    const edge = this.find(host)
    if (!edge) throw new RelayError('edge_not_found')
    return edge
  }

  find(host: string): Edge | undefined {
    return this.#exact.get(host) ?? this.#wildcard(host)
  }

  #wildcard(host: string): Edge | undefined {
    if (this.#wildcards.size === 0) return undefined
    for (let dot = host.indexOf('.'); dot !== -1; dot = host.indexOf('.', dot + 1)) {
      const edge = this.#wildcards.get(host.slice(dot + 1))
      if (edge) return edge
    }
    return undefined
  }
}

// Host → edge. Exact hosts first, then the closest wildcard. Hosts arrive in normal form from admission.

import { RelayError } from '../errors.ts'
import type { Edge } from './edge.ts'

export class EdgeTable {
  readonly #exact = new Map<string, Edge>()
  /** Keyed by what stands behind `*.`. */
  readonly #wildcards = new Map<string, Edge>()
  readonly #edges: Edge[] = []

  add(edge: Edge, hosts: readonly string[]): void {
    this.#edges.push(edge)
    for (const host of hosts) {
      if (host.startsWith('*.')) this.#wildcards.set(host.slice(2), edge)
      else this.#exact.set(host, edge)
    }
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

  get edges(): readonly Edge[] {
    return this.#edges
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

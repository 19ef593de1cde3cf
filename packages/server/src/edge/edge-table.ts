// Host → edge. Exact hosts first, then the closest wildcard. Hosts arrive in normal form from admission. The book
// (edge-book.ts) decides which edge gets a host.

import { RelayError } from '../errors.ts'
import type { Edge } from './edge.ts'

export class EdgeTable {
  readonly #exact = new Map<string, Edge>()
  /** Keyed by the part after `*.`. */
  readonly #wildcards = new Map<string, Edge>()

  /** @param edge undefined if no edge has the host any more */
  set(host: string, edge: Edge | undefined): void {
    const isWildcard = host.startsWith('*.')
    const edges = isWildcard ? this.#wildcards : this.#exact
    const key = isWildcard ? host.slice(2) : host
    if (edge) edges.set(key, edge)
    else edges.delete(key)
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

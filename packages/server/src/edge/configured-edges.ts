// Keeps the edges of the operator's configuration in the book. An edge whose configuration is equal stays the same object. All
// others are built before the first one opens: if one of them cannot be built, nothing changes.

import { cookieDomainsOf } from '../model/cookie-domains.ts'
import type { EdgeConfig } from '../model/edge-config.ts'
import type { EdgeBook } from './edge-book.ts'
import type { Edge } from './edge.ts'
import { isSameValue } from './same-value.ts'

interface Configured {
  readonly config: EdgeConfig
  readonly edge: Edge
}

/** The result of a reload for the edges of the configuration, by their ids. */
export interface EdgeChanges {
  added: string[]
  changed: string[]
  removed: string[]
  /** The number of unchanged edges, which were not touched. */
  unchanged: number
}

export class ConfiguredEdges {
  readonly #book: EdgeBook
  readonly #build: (config: EdgeConfig) => Edge
  #edges: readonly Configured[] = []
  #cookieDomains: ReadonlySet<string> = new Set()

  /** @param build throws if an edge cannot be built; it has released everything then */
  constructor(book: EdgeBook, build: (config: EdgeConfig) => Edge) {
    this.#book = book
    this.#build = build
  }

  /** The domains under which edges share sessions. */
  get cookieDomains(): ReadonlySet<string> {
    return this.#cookieDomains
  }

  /**
   * Sets all edges of the configuration, in one turn.
   * @param configs complete and checked, as a whole
   * @throws ConfigError if one of them cannot be built; nothing has changed then
   */
  set(configs: readonly EdgeConfig[]): EdgeChanges {
    const edges = this.#buildChanged(configs)
    const changes = changesOf(this.#edges, edges)
    this.#book.set(
      'file',
      edges.map(({ edge }) => edge),
    )
    this.#edges = edges
    this.#cookieDomains = cookieDomainsOf(configs)
    return changes
  }

  #buildChanged(configs: readonly EdgeConfig[]): Configured[] {
    const before = new Map(this.#edges.map((each) => [each.config.id, each]))
    const built: Edge[] = []
    try {
      return configs.map((config) => {
        const known = before.get(config.id)
        if (known && isSameValue(known.config, config)) return known
        const edge = this.#build(config)
        built.push(edge)
        return { config, edge }
      })
    } catch (error) {
      for (const edge of built) edge.close()
      throw error
    }
  }
}

function changesOf(before: readonly Configured[], after: readonly Configured[]): EdgeChanges {
  const known = new Map(before.map((each) => [each.config.id, each]))
  const idsOf = (some: readonly Configured[]): string[] => some.map(({ config }) => config.id)
  const staying = new Set(idsOf(after))
  return {
    added: idsOf(after.filter(({ config }) => !known.has(config.id))),
    changed: idsOf(after.filter((each) => known.has(each.config.id) && known.get(each.config.id) !== each)),
    removed: idsOf(before).filter((id) => !staying.has(id)),
    unchanged: after.filter((each) => known.get(each.config.id) === each).length,
  }
}

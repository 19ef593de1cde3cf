// The edges of the operator's configuration, in the book. All of them are built before any of them serves, so one that
// cannot be built changes nothing; what is configured as before stays the edge that it is.

import { cookieDomainsOf } from '../model/cookie-domains.ts'
import type { EdgeConfig } from '../model/edge-config.ts'
import type { EdgeBook } from './edge-book.ts'
import type { Edge } from './edge.ts'
import { isSameValue } from './same-value.ts'

interface Configured {
  readonly config: EdgeConfig
  readonly edge: Edge
}

export class ConfiguredEdges {
  readonly #book: EdgeBook
  readonly #build: (config: EdgeConfig) => Edge
  #edges: readonly Configured[] = []
  #cookieDomains: ReadonlySet<string> = new Set()

  /** @param build throws where an edge cannot be built, and leaves nothing behind then */
  constructor(book: EdgeBook, build: (config: EdgeConfig) => Edge) {
    this.#book = book
    this.#build = build
  }

  /** Under which edges share sessions. */
  get cookieDomains(): ReadonlySet<string> {
    return this.#cookieDomains
  }

  /**
   * Makes these the edges of the configuration, in one turn.
   * @param configs complete and checked, as a whole
   * @throws ConfigError where one of them cannot be built; the others are as before then
   */
  set(configs: readonly EdgeConfig[]): void {
    const edges = this.#buildChanged(configs)
    this.#book.set(
      'file',
      edges.map(({ edge }) => edge),
    )
    this.#edges = edges
    this.#cookieDomains = cookieDomainsOf(configs)
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

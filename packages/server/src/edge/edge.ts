// One edge: its origin and its routes. Chooses the route for a path, or refuses where two readers could disagree.
// Pure once built: no I/O, no clock.

import { RelayError } from '../errors.ts'
import type { Route } from './route.ts'
import { normalPath } from './normal-path.ts'

export class Edge {
  readonly id: string
  readonly #originOf: (host: string) => string
  readonly #exact = new Map<string, Route>()
  /** Longest prefix first. */
  readonly #prefixes: Route[]

  /** @param originOf the origin that visitors of a host see, e.g. `https://docs.example.com` */
  constructor(id: string, routes: readonly Route[], originOf: (host: string) => string) {
    this.id = id
    this.#originOf = originOf
    for (const route of routes) {
      if (route.match.exact_path !== undefined) this.#exact.set(route.match.exact_path, route)
    }
    this.#prefixes = routes
      .filter((route) => route.match.path_prefix !== undefined)
      .toSorted((a, b) => (b.match.path_prefix?.length ?? 0) - (a.match.path_prefix?.length ?? 0))
  }

  originOf(host: string): string {
    return this.#originOf(host)
  }

  /**
   * The route of a raw path: exact first, then the longest prefix. Case matters.
   * @throws RelayError `route_not_found`, or `path_ambiguous` where the normal form would choose another route
   */
  routeFor(rawPath: string): Route {
    const route = this.#match(rawPath)
    const normal = normalPath(rawPath)
    if (normal !== rawPath && (normal === undefined || this.#match(normal) !== route)) {
      throw new RelayError('path_ambiguous')
    }
    if (!route) throw new RelayError('route_not_found')
    return route
  }

  #match(path: string): Route | undefined {
    const exact = this.#exact.get(path)
    if (exact) return exact
    return this.#prefixes.find((route) => isUnder(path, route.match.path_prefix ?? '/'))
  }
}

/** A prefix ends at `/`, `;` or the end of the path: `/admin` covers `/admin/x`, not `/administrator`. */
function isUnder(path: string, prefix: string): boolean {
  if (prefix === '/') return true
  if (!path.startsWith(prefix)) return false
  const next = path.charCodeAt(prefix.length)
  return Number.isNaN(next) || next === SLASH || next === SEMICOLON
}

const SLASH = 0x2f
const SEMICOLON = 0x3b

// One edge: its origin and its routes. Chooses the route for a path, or refuses where two readers could disagree.
// Pure once built: no I/O, no clock.

import { RelayError } from '../errors.ts'
import { PLAIN_LOOK, type Look } from '../pages/look.ts'
import { readPath } from './read-path.ts'
import type { PathReading } from './read-path.ts'
import type { Route } from './route.ts'

export class Edge {
  readonly id: string
  /** Of the pages that the relay shows in its place. */
  readonly look: Look
  readonly #originOf: (host: string) => string
  readonly #exact = new Map<string, Route>()
  /** Longest prefix first. */
  readonly #prefixes: Route[]
  /** Whether it depends on the path what a visitor gets to. */
  readonly #looksAtPath: boolean

  /** @param originOf the origin that visitors of a host see, e.g. `https://docs.example.com` */
  constructor(id: string, routes: readonly Route[], originOf: (host: string) => string, look = PLAIN_LOOK) {
    this.id = id
    this.look = look
    this.#originOf = originOf
    for (const route of routes) {
      if (route.match.exact_path !== undefined) this.#exact.set(route.match.exact_path, route)
    }
    this.#prefixes = routes
      .filter((route) => route.match.path_prefix !== undefined)
      .toSorted((a, b) => (b.match.path_prefix?.length ?? 0) - (a.match.path_prefix?.length ?? 0))
    this.#looksAtPath = routes.some(({ match }) => match.path_prefix !== '/')
  }

  originOf(host: string): string {
    return this.#originOf(host)
  }

  /**
   * The route of a raw path: exact first, then the longest prefix. Case matters.
   * @param reading what `readPath` has made of the same path
   * @throws RelayError `route_not_found`, or `path_ambiguous` where another reader could get to another route
   */
  routeFor(rawPath: string, reading: PathReading | undefined = readPath(rawPath)): Route {
    const route = this.#match(rawPath)
    if (reading) {
      const { normal, isSlippery } = reading
      if (normal === undefined || (isSlippery && this.#looksAtPath) || this.#match(normal) !== route) {
        throw new RelayError('path_ambiguous')
      }
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

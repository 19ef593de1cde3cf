// One edge: its origin and its routes. Chooses the route for a path, or refuses if two readers could disagree. It never
// changes: a new configuration makes a new edge (build-edge.ts). No I/O, no clock.
//
//   built ──open()──▶ open ──close()──▶ closed
//
// Requests under way finish on a closed edge: close() releases only objects that they do not need.

import { RelayError } from '../errors.ts'
import type { TlsDemands } from '../exchange/visitor/tls-demands.ts'
import { readPath } from '../exchange/target/read-path.ts'
import type { PathReading } from '../exchange/target/read-path.ts'
import type { EdgeConfig } from '../model/edge-config.ts'
import { PLAIN_LOOK, type Look } from '../pages/look.ts'
import type { ConnectionGate } from '../policy/build-connection-gate.ts'
import type { KnownEdge, TunnelsOfEdge } from './known-edge.ts'
import type { Route } from './route.ts'

export interface EdgeInit {
  id: string
  hosts: readonly string[]
  routes: readonly Route[]
  /** The origin that visitors of a host see, e.g. `https://docs.example.com`. */
  originOf: (host: string) => string
  look?: Look
  /** Undefined if any TLS that the relay speaks will do. */
  tls?: (() => TlsDemands) | undefined
  /** The authtoken of the agent that has brought it. */
  authtokenId?: string | undefined
  /** Whether the sign-in answers at ngrok's paths, too. */
  hasNgrokPaths?: boolean
  groups?: readonly TunnelsOfEdge[]
  /** Decides about connections of visitors; undefined if all may stay. */
  gate?: ConnectionGate | undefined
  /** The rules of the gate. */
  onConnect?: OnConnect | undefined
  /** Why nobody is served. */
  closed?: KnownEdge['closed']
  life?: EdgeLife
}

export type OnConnect = NonNullable<EdgeConfig['on_tcp_connect']>

/** Opens and closes an edge's objects in other rooms. */
export interface EdgeLife {
  /** Publishes its sign-ins, in place of those of the edge with the same id. Never throws. */
  open(): void
  /** Releases everything that was taken to build it. Can be called twice; never throws. */
  close(): void
}

export class Edge implements KnownEdge {
  readonly id: string
  readonly hosts: readonly string[]
  readonly authtokenId: string | undefined
  readonly hasNgrokPaths: boolean
  readonly groups: readonly TunnelsOfEdge[]
  readonly gate: ConnectionGate | undefined
  readonly onConnect: OnConnect | undefined
  readonly closed: KnownEdge['closed']
  /** In the order of the configuration. */
  readonly routes: readonly Route[]
  /** The appearance of the relay's own pages on this edge. */
  readonly look: Look
  readonly #originOf: (host: string) => string
  readonly #tls: (() => TlsDemands) | undefined
  readonly #exact = new Map<string, Route>()
  /** Longest prefix first. */
  readonly #prefixes: Route[]
  /** Whether the path decides which app or policy a visitor gets. */
  readonly #looksAtPath: boolean
  readonly #life: EdgeLife | undefined

  constructor(init: EdgeInit) {
    const { id, hosts, routes, originOf, look = PLAIN_LOOK, tls, authtokenId, groups = [], life } = init
    const { gate, onConnect } = init
    this.id = id
    this.hosts = hosts
    this.authtokenId = authtokenId
    this.hasNgrokPaths = init.hasNgrokPaths ?? false
    this.groups = groups
    this.gate = gate
    this.onConnect = onConnect
    this.closed = init.closed
    this.look = look
    this.#tls = tls
    this.#originOf = originOf
    this.routes = routes
    this.#life = life
    for (const route of routes) {
      if (route.config.exact_path !== undefined) this.#exact.set(route.config.exact_path, route)
    }
    this.#prefixes = routes
      .filter((route) => route.config.path_prefix !== undefined)
      .toSorted((a, b) => (b.config.path_prefix?.length ?? 0) - (a.config.path_prefix?.length ?? 0))
    this.#looksAtPath = routes.some(({ config, readsPath }) => config.path_prefix !== '/' || readsPath)
  }

  /** The present demands on the TLS of visitors; undefined without any. */
  get tls(): TlsDemands | undefined {
    return this.#tls?.()
  }

  get endpoints(): string[] {
    return this.hosts.map(this.#originOf)
  }

  /** See EdgeLife. Only the book calls it. */
  open(): void {
    this.#life?.open()
  }

  /** See EdgeLife. */
  close(): void {
    this.#life?.close()
  }

  /**
   * The number of tunnels that its routes do not use at present, because they returned errors. @param now monotonic
   * milliseconds
   */
  failingAt(now: number): number {
    return this.routes.reduce((count, { backend }) => count + backend.failingAt(now), 0)
  }

  originOf(host: string): string {
    return this.#originOf(host)
  }

  /**
   * The route of a raw path: exact first, then the longest prefix. Case matters.
   * @param reading the result of `readPath` for the same path
   * @throws RelayError `route_not_found`, or `path_ambiguous` if another reader could get to another route
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
    return this.#prefixes.find((route) => isUnder(path, route.config.path_prefix ?? '/'))
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

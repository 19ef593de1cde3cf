// The edges of relay.yml: built at the start, and there until the end. What agents bring along is in endpoints.ts.

import { BOUND_EDGES_MAX, matchesSelector } from '@sallyport/protocol'
import type { BoundEdge, Labels } from '@sallyport/protocol'
import type { Logger } from 'pino'

import { buildBackend } from '../backend/build-backend.ts'
import { outlierLog } from '../backend/log-outlier.ts'
import type { RouteBackend } from '../backend/route-backend.ts'
import type { EdgeConfig, RouteConfig } from '../model/edge-config.ts'
import { buildPolicy } from '../policy/build-policy.ts'
import type { PolicyParts } from '../policy/builder.ts'
import type { Look } from '../pages/look.ts'
import type { Registry, Selection } from '../tunnel/registry.ts'
import { Edge } from './edge.ts'
import type { EdgeTable } from './edge-table.ts'
import type { KnownEdge, TunnelsOfEdge } from './known-edge.ts'
import { originOn } from './origin-on.ts'
import { visitorsOf } from './who-may-pass.ts'

export interface ConfiguredEdgesInit {
  edges: EdgeTable
  registry: Registry
  publicUrl: URL
  stickyKey: Uint8Array
  log: Logger
  lookOf: (config: EdgeConfig) => Look
}

interface Numbered extends KnownEdge {
  /** Its place in the configuration. */
  readonly number: number
  readonly routes: readonly RouteConfig[]
}

/** The labels by which routes of an edge choose a tunnel. */
interface Selector {
  readonly labels: Labels
  readonly edge: Numbered
  readonly routes: Set<RouteConfig>
}

export class ConfiguredEdges {
  readonly #init: ConfiguredEdgesInit
  readonly #known: Numbered[] = []
  /** The selectors of all routes by a label of theirs, so that a tunnel is compared with those only that may mean it. */
  readonly #selectors = new Map<string, Selector[]>()
  readonly #backends: RouteBackend[] = []

  constructor(init: ConfiguredEdgesInit) {
    this.#init = init
  }

  add(config: EdgeConfig, parts: PolicyParts): void {
    const { edges, registry, publicUrl, stickyKey, log, lookOf } = this.#init
    const onOutlier = outlierLog(log, config.id)
    const originOf = (host: string): string => config.origin ?? originOn(publicUrl, host)
    const routes = config.routes.map((route) => ({
      match: route,
      ...(route.allow_upgrades && { upgrades: new Set(route.allow_upgrades) }),
      policy: buildPolicy(route.policy, parts),
      backend: buildBackend(route.backend, { registry, edgeId: config.id, stickyKey, onOutlier }),
    }))
    edges.add(new Edge(config.id, routes, originOf, lookOf(config)), config.hosts)
    const groups: TunnelsOfEdge[] = []
    const edge = {
      number: this.#known.length,
      id: config.id,
      hosts: config.hosts,
      endpoints: config.hosts.map(originOf),
      groups,
      routes: config.routes,
    }
    this.#known.push(edge)
    const selectors = new Map<Selection, Selector>()
    for (const [index, { backend }] of routes.entries()) {
      this.#backends.push(backend)
      const route = config.routes[index]! // each was made of one
      for (const labels of backend.selectors) {
        const selection = registry.select(labels)
        const known = selectors.get(selection) // of another route
        if (known) {
          known.routes.add(route)
          continue
        }
        const selector = { labels, edge, routes: new Set([route]) }
        selectors.set(selection, selector)
        groups.push({ labels, selection })
        this.#index(selector)
      }
    }
  }

  /** In the order of the configuration. */
  get known(): readonly KnownEdge[] {
    return this.#known
  }

  /** The edges that lead to a tunnel with these labels, in the order of the configuration. */
  edgesFor(labels: Labels): KnownEdge[] {
    return [...this.#routesFor(labels).keys()].toSorted((a, b) => a.number - b.number)
  }

  /** What the agent of such a tunnel is told of the first of them. */
  boundEdgesFor(labels: Labels): BoundEdge[] {
    const leading = this.#routesFor(labels)
    return [...leading]
      .toSorted(([a], [b]) => a.number - b.number)
      .slice(0, BOUND_EDGES_MAX)
      .map(([{ id, routes }, meant]) => ({
        edge_id: id,
        visitors: visitorsOf(routes.filter((route) => meant.has(route))),
      }))
  }

  /** Where the visitors of a tunnel with these labels come from. */
  urlsFor(labels: Labels): string[] {
    return [...new Set(this.edgesFor(labels).flatMap(({ endpoints }) => endpoints))]
  }

  /** The edges that lead to a tunnel with these labels, each with the routes that do. */
  #routesFor(labels: Labels): Map<Numbered, Set<RouteConfig>> {
    const found = new Map<Numbered, Set<RouteConfig>>()
    for (const [key, value] of labels) {
      for (const selector of this.#selectors.get(`${key}=${value}`) ?? []) {
        if (!matchesSelector(selector.labels, labels)) continue
        found.set(selector.edge, new Set([...selector.routes, ...(found.get(selector.edge) ?? [])]))
      }
    }
    return found
  }

  #index(selector: Selector): void {
    for (const [key, value] of selector.labels) {
      const word = `${key}=${value}`
      const same = this.#selectors.get(word)
      if (same) same.push(selector)
      else this.#selectors.set(word, [selector])
      return // the first one is enough: a tunnel that is meant has it
    }
  }

  /** Tries on another tunnel, over all edges since the start. */
  get retries(): { granted: number; refused: number } {
    let [granted, refused] = [0, 0]
    for (const { budget } of this.#backends) {
      granted += budget.granted
      refused += budget.refused
    }
    return { granted, refused }
  }

  /** Tunnels that a route does without because they fail where their siblings do not. @param now monotonic milliseconds */
  failingAt(now: number): number {
    return this.#backends.reduce((count, backend) => count + backend.failingAt(now), 0)
  }
}

// The edges of relay.yml: built at the start, and there until the end. What agents bring along is in endpoints.ts.

import { matchesSelector } from '@sallyport/protocol'
import type { Labels } from '@sallyport/protocol'
import type { Logger } from 'pino'

import { buildBackend } from '../backend/build-backend.ts'
import { outlierLog } from '../backend/log-outlier.ts'
import type { RouteBackend } from '../backend/route-backend.ts'
import type { EdgeConfig } from '../config/config.ts'
import { buildPolicy, type PolicyParts } from '../policy/build-policy.ts'
import type { Registry } from '../tunnel/registry.ts'
import { Edge } from './edge.ts'
import type { EdgeTable } from './edge-table.ts'
import { originOn } from './origin-on.ts'

export interface ConfiguredEdgesInit {
  edges: EdgeTable
  registry: Registry
  publicUrl: URL
  stickyKey: Uint8Array
  log: Logger
}

export class ConfiguredEdges {
  readonly #init: ConfiguredEdgesInit
  /** The selector of every route, with the edge's URLs, to tell agents where their visitors come from. */
  readonly #selectors: { labels: Labels; urls: readonly string[] }[] = []
  readonly #backends: RouteBackend[] = []

  constructor(init: ConfiguredEdgesInit) {
    this.#init = init
  }

  add(config: EdgeConfig, parts: PolicyParts): void {
    const { edges, registry, publicUrl, stickyKey, log } = this.#init
    const onOutlier = outlierLog(log, config.id)
    const originOf = (host: string): string => config.origin ?? originOn(publicUrl, host)
    const routes = config.routes.map((route) => ({
      match: route,
      ...(route.allow_upgrades && { upgrades: new Set(route.allow_upgrades) }),
      policy: buildPolicy(route.policy, parts),
      backend: buildBackend(route.backend, { registry, edgeId: config.id, stickyKey, onOutlier }),
    }))
    edges.add(new Edge(config.id, routes, originOf), config.hosts)
    const urls = config.hosts.map(originOf)
    for (const { backend } of routes) {
      this.#backends.push(backend)
      for (const labels of backend.selectors) this.#selectors.push({ labels, urls })
    }
  }

  /** Where the visitors of a tunnel with these labels come from. */
  urlsFor(labels: Labels): string[] {
    const meant = this.#selectors.filter((selector) => matchesSelector(selector.labels, labels))
    return [...new Set(meant.flatMap(({ urls }) => urls))]
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

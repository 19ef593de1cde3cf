// Builds an edge from its configuration, which is complete and checked. The edge is one value; its close() releases everything
// that it took from other rooms. Visitors, pages and agents do not know it before a book (edge-book.ts) opens it.

import type { Labels } from '@sallyport/protocol'

import { buildBackend } from '../backend/build-backend.ts'
import { outlierLog } from '../backend/log-outlier.ts'
import type { RetryCounts } from '../backend/retry-budget.ts'
import type { Vaults } from '../config/schema/sources-schema.ts'
import type { Logger } from '../log.ts'
import type { EdgeConfig, PolicyConfig, RouteConfig } from '../model/edge-config.ts'
import { stepsOfEdges } from '../model/steps-of-edges.ts'
import type { Look } from '../pages/look.ts'
import { buildConnectionGate } from '../policy/build-connection-gate.ts'
import { buildPolicy } from '../policy/build-policy.ts'
import { readsPath } from '../policy/conditions.ts'
import type { PolicyParts } from '../policy/builder.ts'
import type { Policy } from '../policy/compose.ts'
import type { AuthorityFiles } from '../policy/terminate-tls/client-authorities.ts'
import { tlsDemandsOf } from '../policy/terminate-tls/tls-demands-of.ts'
import type { SessionGate } from '../session/live-session.ts'
import type { Saying } from '../texts/page-texts.ts'
import type { Registry, Selection } from '../tunnel/registry.ts'
import { Edge } from './edge.ts'
import type { EdgeLife } from './edge.ts'
import type { TunnelsOfEdge } from './known-edge.ts'
import { originOn } from './origin-on.ts'
import type { Route } from './route.ts'

/** The services that all edges share. */
export interface EdgeParts {
  readonly registry: Registry
  readonly publicUrl: URL
  /** 32 bytes that key the values of sticky cookies. */
  readonly stickyKey: Uint8Array
  readonly partsOf: PartsOf
  readonly clientAuthorities: AuthorityFiles
  readonly lookOf: (config: EdgeConfig) => Look
  /** Counts the retries of all edges. */
  readonly retries: RetryCounts
  readonly log: Logger
}

/**
 * The services for the policies of one edge, for the life of that edge.
 * @param bringer the agent that brought the edge; undefined for an edge of the operator
 */
export type PartsOf = (edgeId: string, bringer?: Bringer) => LivePolicyParts

export interface LivePolicyParts extends PolicyParts {
  /** The sign-ins of each action that has been made so far. */
  gates(): readonly (readonly SessionGate[])[]
  /** Opens and closes the policies' objects in other rooms. The edge keeps nothing else of its parts. */
  readonly life: EdgeLife
}

/** An agent that brings an edge. */
export interface Bringer {
  readonly authtokenId: string
  /** The secrets that its expressions may read. */
  readonly secrets: Vaults
}

/** Settings for an edge that an agent has brought. */
export interface Brought extends Bringer {
  readonly policyOf: (config: PolicyConfig, parts: PolicyParts) => Policy
  /** Advice to the operator while no tunnel is online. */
  readonly advice: Saying
}

/** @throws ConfigError if a file that it names cannot be used; everything is released then */
export function buildEdge(
  config: EdgeConfig,
  { registry, publicUrl, stickyKey, partsOf, clientAuthorities, lookOf, retries, log }: EdgeParts,
  brought?: Brought,
): Edge {
  const { id, hosts, origin } = config
  const { authtokenId, policyOf = plainPolicy, advice } = brought ?? {}
  using taken = new DisposableStack() // released at the end of this function, unless the whole edge could be built
  const parts = partsOf(id, brought)
  const life = taken.adopt(parts.life, (each) => each.close())
  const onOutlier = outlierLog(log, id)
  const groups = new Groups()
  const routes = config.routes.map((route): Route => {
    const select = (labels: Labels): Selection => {
      const selection = registry.select(labels)
      taken.defer(() => registry.release(labels))
      groups.add(labels, selection, route)
      return selection
    }
    const gatesBefore = parts.gates().length
    const policy = policyOf(route.policy, parts)
    return {
      config: route,
      ...(route.allow_upgrades && { upgrades: new Set(route.allow_upgrades) }),
      policy,
      gates: parts.gates().slice(gatesBefore),
      readsPath: readsPath(route.policy),
      backend: buildBackend(route.backend, { select, edgeId: id, stickyKey, onOutlier, retries, advice }),
    }
  })
  const gate = buildConnectionGate(config.on_tcp_connect, parts)
  const owned = taken.move()
  return new Edge({
    id,
    hosts,
    routes,
    originOf: (host) => origin ?? originOn(publicUrl, host),
    look: lookOf(config),
    tls: tlsDemandsOf(config, clientAuthorities),
    authtokenId,
    hasNgrokPaths: signsInAsNgrok(config, authtokenId !== undefined),
    groups: groups.all,
    gate,
    onConnect: config.on_tcp_connect,
    life: { open: () => life.open(), close: () => owned.dispose() },
  })
}

/** Policies that agents bring are in ngrok's form; of those in relay.yml, the ones with `oauth`. */
function signsInAsNgrok(edge: EdgeConfig, isOfAgent: boolean): boolean {
  return [...stepsOfEdges([edge])].some(({ type, kind }) => kind.signIns && (isOfAgent || type === 'oauth'))
}

const plainPolicy: Brought['policyOf'] = (config, parts) => buildPolicy(config, parts)

/** The selections of tunnels to which the routes of an edge lead, each once. */
class Groups {
  readonly #all = new Map<Selection, TunnelsOfEdge & { readonly routes: RouteConfig[] }>()

  add(labels: Labels, selection: Selection, route: RouteConfig): void {
    const known = this.#all.get(selection)
    if (!known) this.#all.set(selection, { labels, selection, routes: [route] })
    else if (!known.routes.includes(route)) known.routes.push(route)
  }

  get all(): TunnelsOfEdge[] {
    return [...this.#all.values()]
  }
}

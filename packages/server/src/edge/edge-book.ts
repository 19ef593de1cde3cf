// All edges of the relay. Each source puts, swaps and removes its edges in one turn of the event loop, so no visitor meets
// half of a change. An exchange looks its edge up once, and finishes on the edge on which it began.

import { BOUND_EDGES_MAX } from '@sallyport/protocol'
import type { BoundEdge, Labels } from '@sallyport/protocol'

import type { RetryCounts } from '../backend/retry-budget.ts'
import type { RouteConfig } from '../model/edge-config.ts'
import { SelectorIndex, type Indexed } from '../tunnel/selector-index.ts'
import type { Edge } from './edge.ts'
import { EdgeTable } from './edge-table.ts'
import { CONFIGURED, HostClaims } from './host-claims.ts'
import type { EdgeSource } from './host-claims.ts'
import type { TunnelsOfEdge } from './known-edge.ts'
import { visitorsOf } from './who-may-pass.ts'

interface Entry {
  readonly edge: Edge
  /** The index of the edge among all edges. */
  number: number
  /** Its groups in the index. */
  leads: readonly Indexed<Lead>[]
}

/** A group of tunnels, and the edge that leads there. */
interface Lead {
  readonly entry: Entry
  readonly group: TunnelsOfEdge
}

const SOURCES: readonly EdgeSource[] = [...CONFIGURED, 'agents']

export class EdgeBook {
  /** The retries on another tunnel since the start, of all edges, including closed ones. */
  readonly retries: RetryCounts = { granted: 0, refused: 0 }
  /** The number of routes that allow upgrades to a protocol. */
  readonly #upgrades = new Map<string, number>()
  readonly #hosts: HostClaims
  /** The number of edges that demand something of TLS. */
  #demandingTls = 0
  /** By id, in the order of the edges. */
  readonly #entries: Readonly<Record<EdgeSource, Map<string, Entry>>> = {
    file: new Map(),
    store: new Map(),
    agents: new Map(),
  }
  /** An index from the labels of a tunnel to the edges. */
  readonly #index = new SelectorIndex<Lead>()
  #nextNumber = 0
  #onChange = (): void => {}

  /**
   * @param visitors the hosts of visitors; only the book changes the tables
   * @param internal the hosts of internal endpoints
   */
  constructor(visitors: EdgeTable, internal = new EdgeTable()) {
    this.#hosts = new HostClaims({ visitors, internal })
  }

  /** Opens an edge, and closes the edge of the same source and id that it replaces. */
  put(source: EdgeSource, edge: Edge): void {
    const entries = this.#entries[source]
    const before = entries.get(edge.id)
    if (before?.edge === edge) return
    entries.set(edge.id, this.#open(source, edge, before?.number ?? this.#nextNumber++))
    if (before) this.#close(source, before)
    this.#onChange()
  }

  /** Sets all edges of a source, in this order. Opens the new ones, and closes those that are not among them. */
  set(source: EdgeSource, edges: readonly Edge[]): void {
    const entries = this.#entries[source]
    const before = new Map(Array.from(entries.values(), (entry) => [entry.edge, entry]))
    entries.clear()
    for (const edge of edges) {
      const number = this.#nextNumber++
      const staying = before.get(edge)
      before.delete(edge)
      if (staying) staying.number = number
      entries.set(edge.id, staying ?? this.#open(source, edge, number))
    }
    for (const entry of before.values()) this.#close(source, entry)
    this.#onChange()
  }

  /** Closes an edge, unless it was removed or replaced before. */
  remove(source: EdgeSource, edge: Edge): void {
    const entries = this.#entries[source]
    const entry = entries.get(edge.id)
    if (entry?.edge !== edge) return
    entries.delete(edge.id)
    this.#close(source, entry)
    this.#onChange()
  }

  /** Called after each change, in the same turn of the event loop. */
  whenChanged(listener: () => void): void {
    this.#onChange = listener
  }

  /** The edge that a host leads to, of visitors or of policies. */
  at(host: string): Edge | undefined {
    return this.#hosts.at(host)
  }

  /** Closes all edges. */
  close(): void {
    for (const source of SOURCES) this.set(source, [])
  }

  get size(): number {
    return SOURCES.reduce((sum, source) => sum + this.#entries[source].size, 0)
  }

  /** The number of edges that serve, and of those that do not. */
  states(): Record<'serving' | NonNullable<Edge['closed']>, number> {
    const states = { serving: 0, broken: 0, disabled: 0 }
    for (const { closed } of this.known()) states[closed ?? 'serving']++
    return states
  }

  /** All edges in order: those of the operator come first. */
  *known(): Generator<Edge> {
    for (const source of SOURCES) {
      for (const { edge } of this.#entries[source].values()) yield edge
    }
  }

  /** Whether the operator has an edge of this id. */
  hasConfigured(id: string): boolean {
    return CONFIGURED.some((source) => this.has(source, id))
  }

  /** Whether a source has an edge of this id. */
  has(source: EdgeSource, id: string): boolean {
    return this.#entries[source].has(id)
  }

  /** Whether an edge of the operator has the host. */
  isConfigured(host: string): boolean {
    return this.#hosts.isConfigured(host)
  }

  /** Whether any edge demands something of the TLS of visitors. */
  get hasTlsDemands(): boolean {
    return this.#demandingTls > 0
  }

  /** Whether a route of any edge allows upgrades to a protocol. @param protocol in lower case */
  allowsUpgrade(protocol: string): boolean {
    return this.#upgrades.has(protocol)
  }

  /** The edges that lead to a tunnel with these labels, in order. */
  edgesFor(labels: Labels): Edge[] {
    return this.#leadsTo(labels).map(([{ edge }]) => edge)
  }

  /** The first of these edges, as the message `bound` reports them to the agent of such a tunnel. */
  boundEdgesFor(labels: Labels): BoundEdge[] {
    return this.#leadsTo(labels)
      .slice(0, BOUND_EDGES_MAX)
      .map(([{ edge }, routes]) => ({ edge_id: edge.id, visitors: visitorsOf(routes, edge.onConnect, edge.hosts) }))
  }

  /** The URLs by which visitors reach a tunnel with these labels. */
  urlsFor(labels: Labels): string[] {
    return [...new Set(this.edgesFor(labels).flatMap(({ endpoints }) => endpoints))]
  }

  /**
   * The number of tunnels that a route does not use at present, because they returned errors. @param now monotonic
   * milliseconds
   */
  failingAt(now: number): number {
    let count = 0
    for (const edge of this.known()) count += edge.failingAt(now)
    return count
  }

  #open(source: EdgeSource, edge: Edge, number: number): Entry {
    edge.open()
    this.#countUpgrades(edge, 1)
    if (edge.tls) this.#demandingTls++
    const entry: Entry = { edge, number, leads: [] }
    entry.leads = edge.groups.map((group) => this.#index.add(group.labels, { entry, group }))
    this.#hosts.claim(source, edge)
    return entry
  }

  #close(source: EdgeSource, { edge, leads }: Entry): void {
    for (const lead of leads) this.#index.delete(lead)
    this.#hosts.yield(source, edge)
    this.#countUpgrades(edge, -1)
    if (edge.tls) this.#demandingTls--
    edge.close()
  }

  #countUpgrades({ routes }: Edge, step: 1 | -1): void {
    for (const protocol of routes.flatMap(({ upgrades }) => [...(upgrades ?? [])])) {
      const count = (this.#upgrades.get(protocol) ?? 0) + step
      if (count > 0) this.#upgrades.set(protocol, count)
      else this.#upgrades.delete(protocol)
    }
  }

  /** Each edge once, with its routes that lead there. */
  #leadsTo(labels: Labels): [Entry, readonly RouteConfig[]][] {
    const found = new Map<Entry, Set<RouteConfig>>()
    for (const { entry, group } of this.#index.matching(labels)) {
      const routes = found.get(entry) ?? new Set()
      found.set(entry, routes)
      for (const route of group.routes) routes.add(route)
    }
    const inOrder = ({ edge }: Entry, routes: ReadonlySet<RouteConfig>): RouteConfig[] =>
      edge.routes.flatMap(({ config }) => (routes.has(config) ? [config] : []))
    return [...found]
      .toSorted(([a], [b]) => a.number - b.number)
      .map(([entry, routes]) => [entry, inOrder(entry, routes)])
  }
}

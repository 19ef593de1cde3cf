// The way of an exchange from the visitor's edge to internal endpoints, with the state of each policy on it. Pure: no I/O,
// no clock.

import type { Routes } from './target/admit-target.ts'

/** An internal endpoint on the way of an exchange. */
export interface InnerEdge {
  readonly id: string
  readonly host: string
}

/**
 * The state of a policy.
 * @template Rules the type of its rules for responses
 */
export interface PolicyState<Rules> {
  /** Its own edge; undefined for the visitor's. */
  readonly inner: InnerEdge | undefined
  readonly onResponseHead: Rules
  readonly policyMemory: object | undefined
  readonly results: Map<string, ReadonlyMap<string, unknown>> | undefined
}

/** A policy that has passed an exchange on. */
export interface OuterPolicy<Rules> extends PolicyState<Rules> {
  /** Its route and edge, as those of the exchange. */
  route: unknown
  routes: Routes | undefined
  /** The target with which it has passed the exchange on. */
  readonly target: string
  /** The policy before it. */
  readonly outer: OuterPolicy<Rules> | undefined
}

/** From the visitor's edge to the last endpoint, as at ngrok. */
const HOPS_MAX = 3
/** In all, including forwards to offline endpoints: a policy could try those without end. */
const FORWARDS_MAX = 16
/** The requests of `http-request` for one visitor's request, including those that their endpoints make in turn. */
const CALLS_MAX = 32

export class Way<Rules> {
  /** The policies before the one that runs. */
  outer: OuterPolicy<Rules> | undefined
  #forwards = 0
  /** The hops before an exchange that a policy makes; 0 for the visitor's. */
  readonly #hopsBefore: number
  readonly #calls: { made: number }

  constructor(hopsBefore = 0, calls = { made: 0 }) {
    this.#hopsBefore = hopsBefore
    this.#calls = calls
  }

  /** @returns whether the exchange may go one hop further, which counts */
  takeHop(): boolean {
    return ++this.#forwards <= FORWARDS_MAX && this.#hops < HOPS_MAX
  }

  /** @returns the way of a request that a policy makes for this exchange; undefined if it may make none */
  forCall(): Way<Rules> | undefined {
    if (this.#hops >= HOPS_MAX || ++this.#calls.made > CALLS_MAX) return undefined
    return new Way(this.#hops + 1, this.#calls)
  }

  /** Whether a policy before has rules for responses. */
  get hasRules(): boolean {
    for (let each = this.outer; each; each = each.outer) if (each.onResponseHead) return true
    return false
  }

  /** The edges on the way, for the log. @param edgeId of the visitor's */
  words(edgeId: string, inner: InnerEdge | undefined, next: InnerEdge): string {
    const ids = [inner?.id ?? edgeId, next.id]
    for (let each = this.outer; each; each = each.outer) ids.unshift(each.inner?.id ?? edgeId)
    return ids.join(' → ')
  }

  get #hops(): number {
    let hops = this.#hopsBefore
    for (let each = this.outer; each; each = each.outer) hops++
    return hops
  }
}

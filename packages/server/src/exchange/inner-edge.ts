// What an exchange keeps of the policies that have passed it on to internal endpoints. Pure: no I/O, no clock.

/** An internal endpoint on the way of an exchange. */
export interface InnerEdge {
  readonly id: string
  readonly host: string
}

/**
 * The policy that has passed an exchange on, with all that belongs to it alone.
 * @template Rules the type of its rules for responses
 */
export interface OuterPolicy<Rules> {
  /** Its own edge; undefined for the visitor's. */
  readonly inner: InnerEdge | undefined
  readonly onResponseHead: Rules
  readonly policyMemory: object | undefined
  readonly results: Map<string, ReadonlyMap<string, unknown>> | undefined
  /** The policy before it. */
  readonly outer: OuterPolicy<Rules> | undefined
}

/** From the visitor's edge to the last endpoint, as at ngrok. */
export const HOPS_MAX = 3
/** In all, with those to endpoints that were offline: policies could try without end. */
export const FORWARDS_MAX = 16

export function depthOf(outer: OuterPolicy<unknown> | undefined): number {
  let depth = 0
  for (let each = outer; each; each = each.outer) depth++
  return depth
}

/** The edges on the way, for the log. */
export function wordsOf(edgeId: string, outer: OuterPolicy<unknown> | undefined, last: InnerEdge): string {
  const way = [last.id]
  for (let each = outer; each; each = each.outer) way.unshift(each.inner?.id ?? edgeId)
  return way.join(' → ')
}

// What an agent offers under a number of its own: read from `bind` where the message enters, and from here on the relay's
// own value. It is plain data, since other nodes are told of it as it is. Pure: no I/O, no clock.

import { ProtocolError, labelProblem } from '@sallyport/protocol'
import type { Bind } from '@sallyport/protocol'

export interface Offer {
  /** The agent's own number for it. */
  readonly number: number
  /** By these selectors mean its tunnel. None yet if it asks for an endpoint, whose host has to be found first. */
  readonly labels: LabelPairs
  /** For people: where the agent sends what arrives. */
  readonly forwardsTo: string
  /** `preserve`, or what the app gets as Host. */
  readonly hostHeader: string
  /** What the relay speaks on its streams. */
  readonly upstreamProtocol: 'http1' | 'http2'
  /** Its share where tunnels are balanced; 0 is a standby. */
  readonly weight: number
  readonly metadata?: string
  /** The edge of its own that the agent asks for; undefined if edges of the relay lead to its labels. */
  readonly endpoint?: EndpointWish
}

export interface EndpointWish {
  /** As the agent wrote it; empty if the relay is to choose a host. */
  readonly url: string
  /** Whether other agents of the authtoken may serve it as well. */
  readonly pooling: boolean
  /** What happens to requests there, as the agent sent it: nobody has looked at it. */
  readonly policy?: unknown
}

export type EndpointOffer = Offer & { readonly endpoint: EndpointWish }

/** Pairs in the order of the agent, each key once. */
type LabelPairs = readonly (readonly [string, string])[]

/** @returns the reason if nobody may offer such a thing, whatever their authtoken permits */
export function readOffer(bind: Bind): Offer | ProtocolError {
  const { host_header: hostHeader, forwards_to: forwardsTo, upstream_protocol: upstreamProtocol } = bind
  const { tunnel_id: number, weight, metadata, labels, url, pooling, policy } = bind
  if (hostHeader === 'rewrite' || !isPrintable(hostHeader) || !isPrintable(forwardsTo)) {
    return new ProtocolError('bind_invalid', 'host_header and forwards_to are printable ASCII, and not "rewrite"')
  }
  const problem = labels && labelsProblem(labels)
  if (problem !== undefined) return new ProtocolError('bind_invalid', problem)
  return {
    number,
    labels: labels ?? [],
    forwardsTo,
    hostHeader,
    upstreamProtocol,
    weight,
    ...(metadata !== undefined && { metadata }),
    // A policy is an endpoint's. With labels nobody gets it: it may nest deeper than JSON can be written.
    ...(url !== undefined && { endpoint: { url, pooling, policy } }),
  }
}

export function isEndpointOffer(offer: Offer): offer is EndpointOffer {
  return offer.endpoint !== undefined
}

function labelsProblem(pairs: LabelPairs): string | undefined {
  if (pairs.length === 0) return 'a tunnel needs at least one label'
  for (const [key, value] of pairs) {
    const problem = labelProblem(key, value)
    if (problem) return problem
  }
  return new Map(pairs).size === pairs.length ? undefined : 'the same label key stands twice'
}

/** A Host value or a display text must not be able to end a header line or move a terminal's cursor. */
function isPrintable(text: string): boolean {
  return /^[\x20-\x7e]+$/.test(text)
}

// An agent's offer with its number: read from `bind` on arrival, and from here on the relay's own value. It is plain
// data, because other nodes get it unchanged. Pure: no I/O, no clock.

import { ProtocolError, labelProblem } from '@sallyport/protocol'
import type { Bind } from '@sallyport/protocol'

export interface Offer {
  /** The agent's own number for it. */
  readonly number: number
  /** Selectors match its tunnel by these. Empty at first if it asks for an endpoint, whose host must be found first. */
  readonly labels: LabelPairs
  /** For people: the address that the agent forwards to. */
  readonly forwardsTo: string
  /** `preserve`, or the app's Host. */
  readonly hostHeader: string
  /** Whether the app's own name in its answers becomes the public one. */
  readonly renamesAnswers?: true
  /** The relay's protocol on its streams. */
  readonly upstreamProtocol: 'http1' | 'http2'
  /** Its share in balancing; 0 is a standby. */
  readonly weight: number
  readonly metadata?: string
  /** The edge of its own that the agent asks for; undefined if edges of the relay lead to its labels. */
  readonly endpoint?: EndpointWish
}

export interface EndpointWish {
  /** As the agent wrote it; empty to let the relay choose a host. */
  readonly url: string
  /** Whether other agents of the authtoken may serve it as well. */
  readonly pooling: boolean
  /** The policy as the agent sent it, unchecked. */
  readonly policy?: unknown
  /** Counts how often the agent has changed the policy. */
  readonly revision: number
  /** The policy that the endpoint has until other agents ask for this one, too. Only nodes tell each other. */
  readonly meanwhile?: { readonly policy?: unknown }
}

export type EndpointOffer = Offer & { readonly endpoint: EndpointWish }

/** Pairs in the order of the agent, each key once. */
type LabelPairs = readonly (readonly [string, string])[]

/** @returns the reason if no agent may make such an offer, with any authtoken */
export function readOffer(bind: Bind): Offer | ProtocolError {
  const { host_header: hostHeader, forwards_to: forwardsTo, upstream_protocol: upstreamProtocol } = bind
  const renamesAnswers = bind.rename_answers && hostHeader !== 'preserve' && URL.canParse(`http://${hostHeader}`)
  const { tunnel_id: number, weight, metadata, labels, url, pooling, policy, policy_revision: revision } = bind
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
    ...(renamesAnswers && { renamesAnswers }),
    upstreamProtocol,
    weight,
    ...(metadata !== undefined && { metadata }),
    // Only endpoints have a policy. With labels it is dropped: it may nest too deep to be written as JSON.
    ...(url !== undefined && { endpoint: { url, pooling, policy, revision } }),
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
  return new Map(pairs).size === pairs.length ? undefined : 'a label key is there twice'
}

/** A Host value or a display text must not be able to end a header line or move a terminal's cursor. */
function isPrintable(text: string): boolean {
  return /^[\x20-\x7e]+$/.test(text)
}

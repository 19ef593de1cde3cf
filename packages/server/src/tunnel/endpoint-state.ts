// The state of an endpoint, as its agents are told. Types only.

/** An endpoint as one of its agents is told. */
export interface EndpointState {
  edgeId: string
  /** Describes for people who may visit. */
  visitors: readonly string[]
  /** As visitors see it. */
  url: string
  /** The URI to register at the identity provider, if visitors sign in. */
  redirectUri: string | undefined
  /** The last policy of this agent that the relay has heard of. */
  policyRevision: number
  /** How many other agents ask for another policy; 0 if this one is in force. */
  policyWaitsFor: number
}

// The description of an edge. Programs that embed the agent get this type, so it uses no types of the protocol.

/** An edge of the relay, described for people. */
export interface EdgeStatus {
  id: string
  /** Says who may visit: one line, or one line for each path. */
  visitors: readonly string[]
}

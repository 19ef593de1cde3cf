// The description of an edge. Programs that embed the agent get this type, so it names nothing of the protocol.

/** An edge of the relay, described for people. */
export interface EdgeStatus {
  id: string
  /** Who may visit: one line, or one for each path. */
  visitors: readonly string[]
}

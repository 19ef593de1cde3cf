// What is told of an edge. Whoever embeds the agent gets this type, so it names nothing of the protocol.

/** An edge of the relay, as people are told of it. */
export interface EdgeStatus {
  id: string
  /** Who may visit: one line, or one for each path. */
  visitors: readonly string[]
}

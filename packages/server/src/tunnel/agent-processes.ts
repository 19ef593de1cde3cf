// Which sessions belong to one agent process, so that its limits count once over all of its connections. Looked up by
// name, because every bind asks: among thousands of agents a search would cost more than the rest.

/** A session, as far as this needs it. */
export interface ProcessMember {
  readonly authtokenId: string
  /** The agent's own statement: an agent with another authtoken that says the same is another agent. */
  readonly instanceId: string | undefined
  readonly tunnelNumbers: Iterable<number>
}

export class AgentProcesses {
  readonly #byInstance = new Map<string, readonly ProcessMember[]>()

  /** The session has named its process. */
  add(session: ProcessMember): void {
    if (session.instanceId === undefined) return
    this.#byInstance.set(session.instanceId, this.#sameInstance(session).concat(session))
  }

  delete(session: ProcessMember): void {
    if (session.instanceId === undefined) return
    const left = this.#sameInstance(session).filter((each) => each !== session)
    if (left.length > 0) this.#byInstance.set(session.instanceId, left)
    else this.#byInstance.delete(session.instanceId)
  }

  /**
   * The numbers of all tunnels of this session's agent process. Its connections offer the same tunnels with the same
   * numbers: each counts once.
   */
  tunnelNumbersOf(session: ProcessMember): ReadonlySet<number> {
    const numbers = new Set<number>()
    for (const each of this.#sameInstance(session)) {
      if (each.authtokenId === session.authtokenId) for (const number of each.tunnelNumbers) numbers.add(number)
    }
    return numbers
  }

  #sameInstance({ instanceId }: ProcessMember): readonly ProcessMember[] {
    return (instanceId !== undefined && this.#byInstance.get(instanceId)) || []
  }
}

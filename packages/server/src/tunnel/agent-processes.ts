// Which sessions belong to one agent process, so that what an agent may have counts once over all of its connections.
// Found by name, because it is asked with every bind: among thousands of agents a search would cost more than the rest.

/** What is asked of a session here. */
export interface ProcessMember {
  readonly authtokenId: string
  /** The agent's own word: another authtoken's agent may say the same, and is another. */
  readonly instanceId: string | undefined
  readonly tunnelNumbers: Iterable<number>
}

export class AgentProcesses {
  readonly #byInstance = new Map<string, readonly ProcessMember[]>()

  /** The session has said which process it belongs to. */
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
   * The numbers of the tunnels that this session's agent process has. Its connections offer the same tunnels under the
   * same numbers: each counts once.
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

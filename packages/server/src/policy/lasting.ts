// State of actions that outlives their policy: counters of `rate-limit`, circuits of `circuit-breaker`. A policy that is built
// anew for the same edge, after a reload or because its agent has come back, finds the state of the previous policy.

const KEPT_MS = 10 * 60_000 // for state that no policy uses: longer than an agent takes to reconnect
const UNUSED_MAX = 10_000 // agents can bring and remove endpoints as often as they like

interface Kept {
  readonly value: { close(): void }
  /** How many policies use it. A new edge is built before the old one is closed. */
  users: number
  unusedSince: number
}

/**
 * The state of an action, made on first use.
 * @param name the type of the action and all parameters that the state depends on
 * @param make is given the name of the state among those of all edges, which is the same in every worker
 */
export type LastingOfEdge = <T extends { close(): void }>(name: string, make: (fullName: string) => T) => T

export class Lasting {
  readonly #clock: () => number
  readonly #used = new Map<string, Kept>()
  /** In the order in which they were given back. A search for old ones never looks at those in use. */
  readonly #unused = new Map<string, Kept>()

  constructor(clock: () => number) {
    this.#clock = clock
  }

  /**
   * For the life of one edge. The same action of the same policy gets the same state again. An edge may have several
   * equal actions; their order distinguishes them.
   * @param onClose takes the functions that give the state back
   */
  ofEdge(edgeId: string, onClose: (release: () => void) => void): LastingOfEdge {
    const taken = new Map<string, number>()
    return (name, make) => {
      const number = (taken.get(name) ?? 0) + 1
      taken.set(name, number)
      return this.#take(`${edgeId}\n${number}\n${name}`, make, onClose)
    }
  }

  #take<T extends { close(): void }>(
    name: string,
    make: (fullName: string) => T,
    onClose: (release: () => void) => void,
  ): T {
    const kept = this.#used.get(name) ?? this.#unused.get(name) ?? { value: make(name), users: 0, unusedSince: 0 }
    kept.users++
    this.#unused.delete(name)
    this.#used.set(name, kept)
    this.#forgetUnused()
    onClose(() => {
      if (--kept.users > 0) return
      kept.unusedSince = this.#clock()
      this.#used.delete(name)
      this.#unused.set(name, kept)
    })
    return kept.value as T // the name determines the type
  }

  #forgetUnused(): void {
    const now = this.#clock()
    for (const [name, { unusedSince, value }] of this.#unused) {
      if (this.#unused.size <= UNUSED_MAX && now - unusedSince < KEPT_MS) return
      this.#unused.delete(name)
      value.close()
    }
  }
}

// The queue of password hashes. The process has one, because all hashes share its resources: scrypt runs on the four
// threads that also resolve the names of providers, and each hash takes 32 MiB. Tenants are served in turn, however
// many wait for one of them, so that guesses at one do not delay the visitors of another.

import { RelayError } from '../../errors.ts'

const AT_ONCE = 2 // so that two of the four threads stay free
const WAITING_MAX = 32 // of one tenant
const PATIENCE_MS = 10_000 // after that a visitor has tried again, or given up

interface Waiting {
  since: number
  resolve: (isStillWanted: boolean) => void
}

export class PasswordQueue {
  readonly #clock: () => number
  /** In the order of their turns. A tenant with an empty list is removed. */
  readonly #waiting = new Map<string, Waiting[]>()
  #working = 0

  constructor(clock: () => number) {
    this.#clock = clock
  }

  /**
   * @param tenant an edge, or all endpoints of an authtoken
   * @throws RelayError `too_many_requests` if too many wait, or the turn does not come in time
   */
  async take<T>(tenant: string, work: () => Promise<T>): Promise<T> {
    if (this.#working < AT_ONCE) this.#working++
    else await this.#turnOf(tenant)
    try {
      return await work()
    } finally {
      this.#passOn()
    }
  }

  async #turnOf(tenant: string): Promise<void> {
    const line = this.#waiting.get(tenant) ?? []
    if (line.length >= WAITING_MAX) throw new RelayError('too_many_requests')
    const { promise, resolve } = Promise.withResolvers<boolean>()
    line.push({ since: this.#clock(), resolve })
    this.#waiting.set(tenant, line)
    if (!(await promise)) throw new RelayError('too_many_requests')
  }

  /** Gives the place to the next tenant. That tenant's next visitor waits until each other tenant has had a turn. */
  #passOn(): void {
    const now = this.#clock()
    for (const [tenant, line] of this.#waiting) {
      this.#waiting.delete(tenant)
      const first = line.findIndex(({ since }) => now - since <= PATIENCE_MS)
      for (const { resolve } of first === -1 ? line : line.slice(0, first)) resolve(false)
      if (first === -1) continue
      if (line.length > first + 1) this.#waiting.set(tenant, line.slice(first + 1))
      line[first]!.resolve(true) // findIndex() has found it
      return
    }
    this.#working--
  }
}

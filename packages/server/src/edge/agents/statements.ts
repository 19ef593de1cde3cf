// The policies that the agents of a host ask for: the last statement of each agent process. The host gets another policy only if
// all of them ask for the same one, so that no agent of a pool changes which visitors reach the others. Pure.

import type { EndpointOffer } from '../../tunnel/offer.ts'
import type { Tunnel } from '../../tunnel/tunnel.ts'
import type { EndpointPolicy } from './endpoint-policy.ts'

export interface Statement extends EndpointPolicy {
  /** The offer with this policy and the labels of its host. */
  offer: EndpointOffer
}

export class Statements {
  /** By `lastingId` of its tunnel. */
  readonly #byAgent = new Map<string, Statement>()

  of(lastingId: string): Statement | undefined {
    return this.#byAgent.get(lastingId)
  }

  /** Messages of several connections overtake each other: the highest revision counts. @returns whether it is news */
  hear(lastingId: string, statement: Statement): boolean {
    const before = this.#byAgent.get(lastingId)
    if (before && before.offer.endpoint.revision >= statement.offer.endpoint.revision) return false
    this.#byAgent.set(lastingId, statement)
    return true
  }

  /** Forgets an agent, or restores its earlier statement. */
  reset(lastingId: string, before?: Statement): void {
    if (before) this.#byAgent.set(lastingId, before)
    else this.#byAgent.delete(lastingId)
  }

  /** The statement of all agents of these tunnels, if it is the same. */
  agreedBy(tunnels: readonly Tunnel[]): Statement | undefined {
    const [first, ...others] = tunnels.map(({ lastingId }) => this.#byAgent.get(lastingId))
    return others.every((other) => other?.digest === first?.digest) ? first : undefined
  }

  /** How many of these tunnels have agents that ask for a policy other than this one. */
  countOthers(digest: string, tunnels: readonly Tunnel[]): number {
    return tunnels.filter(({ lastingId }) => this.#byAgent.get(lastingId)?.digest !== digest).length
  }
}

// Counts attempts with passwords, by network and also by user: otherwise an attacker with many networks (a /48 of IPv6
// holds 65 536 of them) could guess at the password of one user from each of them. A stranger who uses up the attempts
// of a user must not lock that person out: at networks from which they have been let in before, only the count of that
// network applies.

import { createHash } from 'node:crypto'

import type { Attempts } from '../../exchange/attempts.ts'
import { networkOf } from '../../exchange/visitor/network-of.ts'

const NETWORKS_MAX = 32 // of one user: at home, at work, on the train

export interface PasswordTriesInit {
  byNetwork: Attempts
  /** Existing users. */
  byUser: Attempts
  /** Unknown names: they get the same answers, and cannot push the others out. */
  byNobody: Attempts
}

/** A user of one edge. */
export interface TriedUser {
  /** The key of the count: names can have any length. */
  readonly id: string
  /** The networks from which they have been let in, the longest ago first; undefined for an unknown name. */
  readonly networks: Set<string> | undefined
}

export function triedUser(edgeId: string, name: string, exists: boolean): TriedUser {
  const id = createHash('sha256').update(`${edgeId}\n${name}`).digest('base64')
  return { id, networks: exists ? new Set() : undefined }
}

export class PasswordTries {
  readonly #init: PasswordTriesInit

  constructor(init: PasswordTriesInit) {
    this.#init = init
  }

  /** Whether this address has used up its attempts, for all users. */
  isAddressExhausted(address: string, now: number): boolean {
    return this.#init.byNetwork.isExhausted(address, now)
  }

  /** Whether this address has used up its attempts for this user. */
  isUserExhausted(user: TriedUser, address: string, now: number): boolean {
    if (!this.#countsOf(user).isExhausted(user.id, now)) return false
    return !user.networks?.has(networkOf(address))
  }

  /** @param hashes how many will be computed; each counts as an attempt of the network, because they are the cost */
  add(user: TriedUser, address: string, hashes: number, now: number): void {
    for (let count = Math.max(1, hashes); count > 0; count--) this.#init.byNetwork.add(address, now)
    this.#countsOf(user).add(user.id, now)
  }

  #countsOf({ networks }: TriedUser): Attempts {
    return networks ? this.#init.byUser : this.#init.byNobody
  }
}

/** Notes that a user was let in. */
export function noteNetwork({ networks }: TriedUser, address: string): void {
  if (!networks) return
  const network = networkOf(address)
  networks.delete(network)
  networks.add(network)
  if (networks.size <= NETWORKS_MAX) return
  const [oldest] = networks
  if (oldest !== undefined) networks.delete(oldest)
}

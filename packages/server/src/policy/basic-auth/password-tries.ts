// Counts tries with passwords: by the network they come from, and by the user they are for, since who has many networks
// (a /48 of IPv6 holds 65 536 of them) would have as many tries at one password.
//
// A stranger who uses up the tries of a user must not lock that person out: where they have been let in from before, only
// the count of that network holds.

import { createHash } from 'node:crypto'

import type { Attempts } from '../../exchange/attempts.ts'
import { networkOf } from '../../exchange/network-of.ts'

const NETWORKS_MAX = 32 // of one user: at home, at work, on the train

export interface PasswordTriesInit {
  byNetwork: Attempts
  /** Users that there are. */
  byUser: Attempts
  /** Names that nobody has: they are answered alike, and cannot push the others out. */
  byNobody: Attempts
}

/** A user of one edge. */
export interface TriedUser {
  /** What they are counted by: names are as long as strangers like. */
  readonly id: string
  /** Where they have been let in from, the longest ago first; undefined where nobody has this name. */
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

  /** Whether an address may try nothing more, whoever it is for. */
  isAddressExhausted(address: string, now: number): boolean {
    return this.#init.byNetwork.isExhausted(address, now)
  }

  /** Whether nothing more may be tried for a user from there. */
  isUserExhausted(user: TriedUser, address: string, now: number): boolean {
    if (!this.#countsOf(user).isExhausted(user.id, now)) return false
    return !user.networks?.has(networkOf(address))
  }

  /** @param hashes how many are to be tried, each of which is one for the network: they are what a try costs */
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

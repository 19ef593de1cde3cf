// How many connections a process may have over all its listeners: a place for each visitor, a share that visitors
// cannot take from agents, and a few trial places.
//
//   enter ─▶ visitor ──(authtoken)──▶ agent
//     │        ▲ no place left: too many in all, or of this network
//     ├─▶ on trial ──(authtoken)──▶ agent       it may send one request: an agent gets in, a visitor gets the reason
//     └─▶ turned away                          no trial place either: a prepared answer, and the end
// Pure except for the timers that hold a trial place.

import type { LimitName, Limits } from '../config/config.ts'
import type { FileShare } from './open-files.ts'

// A connection on trial costs a TLS handshake and a whole answer. It holds its place for at least a second, so this is
// also the limit per second. Further connections of a flood cost only an accept.
const TRIALS_MAX = 256
const TRIALS_PER_NETWORK = 16
const TRIAL_HOLD_MS = 1000

export interface PlacesInit {
  limits: Pick<Limits, 'visitor_connections' | 'visitor_connections_per_address' | 'agent_sessions'>
  files: FileShare
}

/** One connection. */
export interface Place {
  kind: 'visitor' | 'trial' | 'agent' | 'gone'
  /** The network for which it counts; undefined for a proxy's connection, which brings many visitors. */
  readonly network: string | undefined
  /** The limit because of which it is on trial. */
  readonly limit: LimitName | undefined
  readonly since: number
  /** Whether a visitor on trial has got the reason. */
  hasBeenTold?: true
}

/** All connections of one network. */
interface Counts {
  visitors: number
  trials: number
}

export class Places {
  readonly #perNetworkMax: number
  readonly #visitorsMax: number
  readonly #visitorsLimit: LimitName
  readonly #agentsMax: number
  readonly #files: FileShare
  readonly #trialsMax: number
  readonly #networks = new Map<string, Counts>()
  #visitors = 0
  #agents = 0
  #trials = 0

  constructor({ limits, files }: PlacesInit) {
    this.#files = files
    this.#perNetworkMax = limits.visitor_connections_per_address
    this.#visitorsMax = Math.min(limits.visitor_connections, files.visitors)
    this.#visitorsLimit = files.visitors < limits.visitor_connections ? 'open_files' : 'visitor_connections'
    this.#agentsMax = files.agents
    this.#trialsMax = Math.min(TRIALS_MAX, files.spare)
  }

  /** How many refused connections may be closing at once. */
  get leavingMax(): number {
    return this.#files.spare
  }

  /** @returns the limit because of which there is no trial place either */
  enter(network: string | undefined, now: number): Place | LimitName {
    const counts = network === undefined ? undefined : this.#countsOf(network)
    const limit = this.#limitFor(counts)
    if (limit === undefined) {
      this.#visitors++
      if (counts) counts.visitors++
      return { kind: 'visitor', network, limit, since: now }
    }
    if (this.#trials >= this.#trialsMax || (counts && counts.trials >= TRIALS_PER_NETWORK)) {
      this.#forget(network)
      return limit
    }
    this.#trials++
    if (counts) counts.trials++
    return { kind: 'trial', network, limit, since: now }
  }

  /** Whether the connection could become an agent's. */
  hasPlaceForAgent({ kind }: Place): boolean {
    if (this.#agents >= this.#agentsMax) return false
    return kind === 'visitor' || this.#visitors + this.#agents < this.#files.connections
  }

  /** Turns it into an agent's connection, which does not take a visitor's place. */
  becomeAgent(place: Place): void {
    this.#giveBack(place)
    place.kind = 'agent'
    this.#agents++
  }

  /** The connection has ended. */
  leave(place: Place, now: number): void {
    const { kind, since } = place
    const heldMs = kind === 'trial' ? TRIAL_HOLD_MS - (now - since) : 0
    if (heldMs > 0) {
      setTimeout(() => this.#end(place), heldMs).unref()
      return
    }
    this.#end(place)
  }

  #end(place: Place): void {
    if (place.kind === 'agent') this.#agents--
    else this.#giveBack(place)
    place.kind = 'gone'
  }

  #limitFor(counts: Counts | undefined): LimitName | undefined {
    if (counts && counts.visitors >= this.#perNetworkMax) return 'visitor_connections_per_address'
    if (this.#visitors >= this.#visitorsMax) return this.#visitorsLimit
    if (this.#visitors + this.#agents >= this.#files.connections) return 'open_files'
    return undefined
  }

  #giveBack({ kind, network }: Place): void {
    const counts = network === undefined ? undefined : this.#countsOf(network)
    if (kind === 'visitor') {
      this.#visitors--
      if (counts) counts.visitors--
    } else if (kind === 'trial') {
      this.#trials--
      if (counts) counts.trials--
    }
    this.#forget(network)
  }

  #countsOf(network: string): Counts {
    let counts = this.#networks.get(network)
    if (!counts) this.#networks.set(network, (counts = { visitors: 0, trials: 0 }))
    return counts
  }

  #forget(network: string | undefined): void {
    if (network === undefined) return
    const counts = this.#networks.get(network)
    if (counts?.visitors === 0 && counts.trials === 0) this.#networks.delete(network)
  }
}

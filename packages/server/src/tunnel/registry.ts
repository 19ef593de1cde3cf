// Which tunnels are online, and live selections of them by labels. In memory only: a tunnel lives as long as
// a session that carries it.

import type { Labels } from '@sallyport/protocol'

import type { Lane, LaneCarrier, OnHealth, TunnelListener } from './tunnel.ts'
import { LiveSelection } from './live-selection.ts'
import type { Offer } from './offer.ts'
import { SelectorIndex, type Indexed } from './selector-index.ts'
import { Tunnel, tunnelIdOf } from './tunnel.ts'

/** The tunnels that match one selector. The array is replaced, never changed, when tunnels come and go. */
export interface Selection {
  readonly tunnels: readonly Tunnel[]
}

/** Called with the lanes that end at this node. */
export interface LocalLaneListener {
  /** A lane has joined, or its offer has changed. */
  onLaneJoined(lane: Lane, offer: Offer): void
  onLaneRetired(lane: Lane): void
  /** The agent's check of its app. */
  onLaneReport(lane: Lane, healthy: boolean, detail: string): void
}

export class Registry {
  /** By id, which identifies the offer: the same offer on another connection of the agent joins. */
  readonly #tunnels = new Map<string, Tunnel>()
  #localLanes: LocalLaneListener | undefined
  /** Each with the number of its users. */
  readonly #selections = new Map<string, { readonly indexed: Indexed<LiveSelection>; takers: number }>()
  readonly #index = new SelectorIndex<LiveSelection>()
  readonly #listener: TunnelListener = {
    onLaneRetired: (lane) => {
      if (lane.isLocal) this.#localLanes?.onLaneRetired(lane)
    },
    onLaneReport: (lane, healthy, detail) => {
      if (lane.isLocal) this.#localLanes?.onLaneReport(lane, healthy, detail)
    },
    onGone: (tunnel) => {
      this.#tunnels.delete(tunnel.id)
      for (const selection of this.#index.matching(tunnel.labels)) selection.delete(tunnel)
    },
  }

  /** Sets the listener for lanes that end here; before the first one. */
  watchLocalLanes(listener: LocalLaneListener): void {
    this.#localLanes = listener
  }

  /**
   * The live selection for a selector; the same object for equal selectors. Each caller must give it back by release().
   * @param selector at least one label
   */
  select(selector: Labels): Selection {
    const key = keyOf(selector)
    const known = this.#selections.get(key)
    if (known) {
      known.takers++
      return known.indexed.value
    }
    const selection = new LiveSelection(selector, this.#tunnels.values())
    this.#selections.set(key, { indexed: this.#index.add(selector, selection), takers: 1 })
    return selection
  }

  /**
   * Gives back a selection of select(), once. A selection without users keeps its last tunnels, and is not updated any
   * more.
   */
  release(selector: Labels): void {
    const key = keyOf(selector)
    const known = this.#selections.get(key)
    if (!known || --known.takers > 0) return
    this.#selections.delete(key)
    this.#index.delete(known.indexed)
  }

  /** Whether join() would only add a lane. */
  knows(offer: Offer, session: LaneCarrier): boolean {
    return this.#tunnels.has(tunnelIdOf(offer, session))
  }

  /**
   * Brings an offer online: as a new tunnel, or as another lane of the tunnel if the same agent has bound exactly the
   * same offer on another connection. Retiring the last lane takes the tunnel out again.
   * @param onHealth for a new tunnel: called, over all of its lanes, when the health of its app changes
   * @param onGone for a new tunnel: called when the last of its lanes is retired
   */
  join(offer: Offer, session: LaneCarrier, onHealth: OnHealth, onGone?: () => void): { lane: Lane; isNew: boolean } {
    const id = tunnelIdOf(offer, session)
    const known = this.#tunnels.get(id)
    const tunnel = known ?? new Tunnel({ id, offer, session, listener: this.#listener, onHealth, onGone })
    const lane = tunnel.join(session)
    if (!known) {
      this.#tunnels.set(id, tunnel)
      for (const selection of this.#index.matching(tunnel.labels)) selection.add(tunnel)
    }
    if (lane.isLocal) this.#localLanes?.onLaneJoined(lane, offer)
    return { lane, isNew: !known }
  }

  /** Tells the other nodes that the offer of a lane has changed, in a part that its tunnel does not have. */
  relist(lane: Lane, offer: Offer): void {
    if (lane.isLocal) this.#localLanes?.onLaneJoined(lane, offer)
  }

  /** Everything that is online, by id. */
  get tunnels(): ReadonlyMap<string, Tunnel> {
    return this.#tunnels
  }
}

/** Equal exactly for selectors with the same meaning: a value may hold `, ` and `=`. */
function keyOf(selector: Labels): string {
  return JSON.stringify([...selector].toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

// Which tunnels are online, and live selections of them by labels. In memory only: a tunnel lives as long as
// a session that carries it.

import { formatLabels } from '@sallyport/protocol'
import type { Bind, Labels } from '@sallyport/protocol'

import type { HealthChange } from './app-health.ts'
import type { Lane, LaneCarrier } from './lane.ts'
import { LiveSelection } from './live-selection.ts'
import { Tunnel, offerOf } from './tunnel.ts'

/** The tunnels that match one selector. The array is replaced, never changed, when tunnels come and go. */
export interface Selection {
  readonly tunnels: readonly Tunnel[]
}

/** Told of the lanes that end at this node. */
export interface LocalLaneListener {
  onLaneJoined(lane: Lane, bind: Bind): void
  onLaneRetired(lane: Lane): void
  /** What the agent says of its app. */
  onLaneReport(lane: Lane, healthy: boolean, detail: string): void
}

export class Registry {
  readonly #tunnels = new Set<Tunnel>()
  /** By what an agent offers: the same offer on another of its connections joins. */
  readonly #offers = new Map<string, Tunnel>()
  #localLanes: LocalLaneListener | undefined
  readonly #selections = new Map<string, LiveSelection>()

  /** Sets who is told of the lanes that end here; before any does. */
  watchLocalLanes(listener: LocalLaneListener): void {
    this.#localLanes = listener
  }

  /** The live selection for a selector; the same object for equal selectors. */
  select(selector: Labels): Selection {
    const key = formatLabels(selector)
    let selection = this.#selections.get(key)
    if (!selection) {
      selection = new LiveSelection(selector, this.#tunnels)
      this.#selections.set(key, selection)
    }
    return selection
  }

  /** Follows a selector no longer: whoever had its selection is gone. */
  forget(selector: Labels): void {
    this.#selections.delete(formatLabels(selector))
  }

  /** Whether join() would only add a lane. */
  knows(bind: Bind, session: LaneCarrier): boolean {
    return this.#offers.has(offerOf(bind, session))
  }

  /**
   * Brings an offer online: as a new tunnel, or as one more lane of the tunnel that the same agent has bound, word for
   * word, on another connection. Retiring the last lane takes the tunnel out again.
   * @param onHealth told of a new tunnel, over all of its lanes, when something changes about its app
   * @param onGone told of a new tunnel, when the last of its lanes is retired
   */
  join(
    bind: Bind,
    session: LaneCarrier,
    onHealth: (tunnel: Tunnel, change: HealthChange) => void,
    onGone?: () => void,
  ): { lane: Lane; isNew: boolean } {
    const offer = offerOf(bind, session)
    const known = this.#offers.get(offer)
    const tunnel = known ?? this.#open(offer, bind, session, onHealth, onGone)
    const lane = tunnel.join(session)
    if (!known) for (const selection of this.#selections.values()) selection.add(tunnel)
    if (lane.isLocal) this.#localLanes?.onLaneJoined(lane, bind)
    return { lane, isNew: !known }
  }

  get tunnels(): ReadonlySet<Tunnel> {
    return this.#tunnels
  }

  #open(
    offer: string,
    bind: Bind,
    session: LaneCarrier,
    onHealth: (tunnel: Tunnel, change: HealthChange) => void,
    onGone: (() => void) | undefined,
  ): Tunnel {
    const tunnel = new Tunnel(bind, session, {
      onHealth,
      onLaneRetired: (lane) => {
        if (lane.isLocal) this.#localLanes?.onLaneRetired(lane)
      },
      onLaneReport: (lane, healthy, detail) => {
        if (lane.isLocal) this.#localLanes?.onLaneReport(lane, healthy, detail)
      },
      onGone: () => {
        this.#offers.delete(offer)
        this.#tunnels.delete(tunnel)
        for (const selection of this.#selections.values()) selection.delete(tunnel)
        onGone?.()
      },
    })
    this.#offers.set(offer, tunnel)
    this.#tunnels.add(tunnel)
    return tunnel
  }
}

// One offer of an agent: labels, and streams that lead to its app. An agent with several connections makes the same
// offer on each of them; to everything that chooses, counts and remembers, that is one tunnel with several lanes.
//
//   online ──last lane retires──▶ gone

import { createHash } from 'node:crypto'

import { ProtocolError } from '@sallyport/protocol'
import type { Bind, Labels } from '@sallyport/protocol'

import { AppHealth } from './app-health.ts'
import type { HealthChange } from './app-health.ts'
import { Lane } from './lane.ts'
import type { LaneCarrier } from './lane.ts'
import { probeApp } from './probe-app.ts'

const ID_CHARS = 22 // 132 bits
const NO_VISITOR = '' // the address in the header of a stream that the relay opens for itself

export interface TunnelListener {
  onHealth(tunnel: Tunnel, change: HealthChange): void
  onLaneRetired(lane: Lane): void
  onLaneReport(lane: Lane, healthy: boolean, detail: string): void
  /** The last lane is retired: nothing can join any more. */
  onGone(tunnel: Tunnel): void
}

export class Tunnel {
  /** The same on every node, and when the agent reconnects. */
  readonly id: string
  readonly labels: Labels
  readonly forwardsTo: string
  readonly metadata: string | undefined
  /** `preserve`, or what the app gets as Host. */
  readonly hostHeader: string
  /** What the relay speaks on its streams. */
  readonly upstreamProtocol: Bind['upstream_protocol']
  readonly number: number
  /** Its share where tunnels are balanced; 0 is a standby. */
  readonly weight: number
  /** Names the agent's place, whatever it offers there, over reconnects. Nobody outside may see it. */
  readonly lastingId: string
  /** What is known of the app. */
  readonly health: AppHealth
  /** Exchanges under way, over all lanes; the forwarder counts, the balancer reads. */
  inFlight = 0

  readonly #listener: TunnelListener
  readonly #onRetire: ((lane: Lane) => void)[] = []
  readonly #lanes: Lane[] = []

  /** @param session the first one that carries it; join() makes the lane */
  constructor(bind: Bind, session: LaneCarrier, listener: TunnelListener) {
    this.number = bind.tunnel_id
    this.labels = new Map(bind.labels)
    this.forwardsTo = bind.forwards_to
    this.metadata = bind.metadata
    this.hostHeader = bind.host_header
    this.upstreamProtocol = bind.upstream_protocol
    this.weight = bind.weight
    this.lastingId = lastingIdOf(bind, session)
    this.id = `tun_${createHash('sha256').update(offerOf(bind, session)).digest('base64url').slice(0, ID_CHARS)}`
    this.#listener = listener
    this.health = new AppHealth({
      probe: () => probeApp(() => this.pickLane().openStream(NO_VISITOR)),
      onChange: (change) => listener.onHealth(this, change),
    })
  }

  /** Whether one of its lanes can be used. */
  get isOnline(): boolean {
    const lanes = this.#lanes
    for (let index = 0; index < lanes.length; index++) if (lanes[index]!.isOnline) return true
    return false
  }

  /** Whether one of its lanes can be used without a hop to another node. It runs for every request. */
  get isNear(): boolean {
    const lanes = this.#lanes
    for (let index = 0; index < lanes.length; index++) {
      const lane = lanes[index]! // below the length
      if (lane.session.isLocal && lane.isOnline) return true
    }
    return false
  }

  /** What carries it at the moment. */
  get sessions(): LaneCarrier[] {
    return this.#lanes.map(({ session }) => session)
  }

  /** Whether the app is believed to answer. */
  get isWell(): boolean {
    return this.health.isWell
  }

  /** No lane is left. */
  get isGone(): boolean {
    return this.#lanes.length === 0
  }

  /** Adds a connection of the agent. */
  join(session: LaneCarrier): Lane {
    const lane = new Lane(this, session, {
      onRetire: (retired) => this.#leave(retired),
      onReport: (each, healthy, detail) => {
        this.health.report(healthy, detail)
        this.#listener.onLaneReport(each, healthy, detail)
      },
    })
    this.#lanes.push(lane)
    return lane
  }

  /**
   * The lane for a new stream: the one with the fewest, so that one that stalls is soon left alone. A hop to another
   * node only where none ends here.
   * @throws ProtocolError `session_closed` where none can be used
   */
  pickLane(): Lane {
    let best: Lane | undefined
    for (const lane of this.#lanes) {
      if (!lane.isOnline) continue
      if (!best || (lane.isLocal === best.isLocal ? lane.streamCount < best.streamCount : lane.isLocal)) best = lane
    }
    if (!best) throw new ProtocolError('session_closed', 'no connection of the agent can be used')
    return best
  }

  /** Runs `listener` for each lane that is retired: whoever keeps idle streams on it closes them. */
  onRetire(listener: (lane: Lane) => void): void {
    this.#onRetire.push(listener)
  }

  #leave(lane: Lane): void {
    this.#lanes.splice(this.#lanes.indexOf(lane), 1)
    this.#listener.onLaneRetired(lane)
    for (const listener of this.#onRetire) listener(lane)
    if (!this.isGone) return
    this.health.stop()
    this.#listener.onGone(this)
  }
}

/** Names an agent's offer over its connections and reconnects. */
export function lastingIdOf(bind: Bind, { authtokenId, instanceId }: LaneCarrier): string {
  return `${authtokenId} ${instanceId} ${bind.tunnel_id}`
}

/** An agent that offers something else under the same number has another tunnel: nothing of the first one may serve for it. */
export function offerOf(bind: Bind, session: LaneCarrier): string {
  const { labels, forwards_to, host_header, upstream_protocol, weight, metadata } = bind
  const words = [labels, forwards_to, host_header, upstream_protocol, weight, metadata]
  return `${lastingIdOf(bind, session)} ${JSON.stringify(words)}`
}

// One offer of an agent: labels, and streams that lead to its app. An agent with several connections makes the same
// offer on each of them; for every choice, count and record that is one tunnel with several lanes.
//
//   online ──last lane retires──▶ gone

import { createHash } from 'node:crypto'

import { ProtocolError } from '@sallyport/protocol'
import type { Labels, StreamReply, YamuxStream } from '@sallyport/protocol'

import type { EndpointState } from './endpoint-state.ts'
import { AppHealth } from './app-health.ts'
import type { AppHealthHost, HealthChange } from './app-health.ts'
import type { Offer } from './offer.ts'
import { probeApp } from './probe-app.ts'

const ID_CHARS = 22 // 132 bits
const NONE: readonly never[] = []
const NO_VISITOR = '' // the address in the header of a stream that the relay opens for itself

/** The agent at the other end of a connection; its own statements are unchecked. */
export interface AgentOrigin {
  readonly address: string
  /** Milliseconds since 1970. */
  readonly connectedAt: number
  readonly roundTripMs: number | undefined
  readonly agent: { readonly version: string; readonly os: string; readonly machine: string | undefined }
}

/** The session that carries a lane, as far as the lane needs it. */
export interface LaneCarrier {
  readonly id: string
  readonly authtokenId: string
  /** The agent process, over all of its connections. */
  readonly instanceId: string | undefined
  /** False once the session is closing, or while it does not answer pings. */
  readonly isResponsive: boolean
  /** Whether the agent has left a ping unanswered for too long. */
  readonly isSilent: boolean
  /** Whether a message leaves for the agent at the end of this turn of the event loop anyway. */
  readonly isGathering: boolean
  /** Whether the agent's connection ends at this node. */
  readonly isLocal: boolean
  /** For people; set if the agent's connection ends at this node. */
  readonly origin?: AgentOrigin | undefined
  /**
   * Opens a stream and sends the header that leads it to the app.
   * @throws ProtocolError `session_closed`, `limit_reached`
   */
  openStream(tunnel: Tunnel, visitor: string): YamuxStream
  /** Asks the agent for a sign of life, because a stream has waited too long for its reply. */
  probe(): void
  /** Resolves when the agent has answered, or its session was ended because it has not. */
  confirm(): Promise<void>
  /** Tells the agent the new state of the endpoint of a tunnel. Another node tells its own agents. */
  onEndpointChanged?(tunnel: Tunnel, state: EndpointState): void
}

/** The events of all tunnels, for their owner. */
export interface TunnelListener {
  onLaneRetired(lane: Lane): void
  onLaneReport(lane: Lane, healthy: boolean, detail: string): void
  /** The last lane is retired: nothing can join any more. */
  onGone(tunnel: Tunnel): void
}

/** Called for one tunnel, over all of its lanes, when the health of its app changes. */
export type OnHealth = (tunnel: Tunnel, change: HealthChange) => void

export interface TunnelInit {
  /** As `tunnelIdOf` has it. */
  id: string
  offer: Offer
  /** The first session that carries it; join() makes the lane. */
  session: LaneCarrier
  listener: TunnelListener
  onHealth: OnHealth
  /** Called like the listener, if another part must know as well. */
  onGone?: (() => void) | undefined
}

export class Tunnel implements AppHealthHost {
  /** The same on every node, and when the agent reconnects. */
  readonly id: string
  readonly labels: Labels
  readonly forwardsTo: string
  readonly metadata: string | undefined
  /** `preserve`, or the app's Host. */
  readonly hostHeader: string
  /** Whether the app's own name in its answers becomes the public one. */
  readonly renamesAnswers: boolean
  /** The relay's protocol on its streams. */
  readonly upstreamProtocol: Offer['upstreamProtocol']
  readonly number: number
  /** Its share in balancing; 0 is a standby. */
  readonly weight: number
  /** The health of the app. */
  readonly health: AppHealth
  /** Requests under way, over all lanes; the forwarder counts, the balancer reads. */
  inFlight = 0
  /** Long-lived exchanges, counted separately: upgrades, event streams, paused answers. */
  lasting = 0
  /** When the last request for it came, in monotonic milliseconds; NaN before the first. The forwarder sets it. */
  lastRequestAt = Number.NaN
  /** When this node first heard of it: milliseconds since 1970. */
  readonly onlineSince = Date.now()
  readonly authtokenId: string
  /** The agent process, over all of its connections. */
  readonly instanceId: string | undefined

  readonly #listener: TunnelListener
  readonly #onHealth: OnHealth
  readonly #onGone: (() => void) | undefined
  // Replaced by concat(), not changed: an array that grows by push(), or is spread, reserves room for seventeen.
  #onRetire: readonly ((lane: Lane) => void)[] = NONE
  #lanes: readonly Lane[] = NONE

  constructor({ id, offer, session, listener, onHealth, onGone }: TunnelInit) {
    this.id = id
    this.number = offer.number
    this.labels = new Map(offer.labels)
    this.forwardsTo = offer.forwardsTo
    this.metadata = offer.metadata
    this.hostHeader = offer.hostHeader
    this.renamesAnswers = offer.renamesAnswers ?? false
    this.upstreamProtocol = offer.upstreamProtocol
    this.weight = offer.weight
    this.authtokenId = session.authtokenId
    this.instanceId = session.instanceId
    this.#listener = listener
    this.#onHealth = onHealth
    this.#onGone = onGone
    this.health = new AppHealth(this)
  }

  /** Identifies the agent process and number over reconnects, with any offer. It must not leave the relay. */
  get lastingId(): string {
    return lastingIdOf(this.number, this)
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

  /** One for each session that carries it. */
  get lanes(): readonly Lane[] {
    return this.#lanes
  }

  /** What carries it now. */
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

  /** Adds a lane on a connection of the agent. */
  join(session: LaneCarrier): Lane {
    const lane = new Lane(this, session)
    this.#lanes = this.#lanes.concat(lane)
    return lane
  }

  /**
   * The lane for a new stream: the one with the fewest, so that a stalled lane soon gets no more. A hop to another node
   * only if none ends here.
   * @throws ProtocolError `session_closed` if none can be used
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

  /** Runs `listener` for each retired lane, to close idle streams on it. */
  onRetire(listener: (lane: Lane) => void): void {
    this.#onRetire = this.#onRetire.concat(listener)
  }

  /** Lane: it takes no new streams any more. */
  leave(lane: Lane): void {
    this.#lanes = this.#lanes.filter((each) => each !== lane)
    this.#listener.onLaneRetired(lane)
    for (const listener of this.#onRetire) listener(lane)
    if (!this.isGone) return
    this.health.stop()
    this.#listener.onGone(this)
    this.#onGone?.()
  }

  /** Lane: the agent's check of its app there. */
  report(lane: Lane, healthy: boolean, detail: string): void {
    this.health.report(healthy, detail)
    this.#listener.onLaneReport(lane, healthy, detail)
  }

  /** AppHealth: opens a connection to the app. */
  probe(): Promise<StreamReply | undefined> {
    return probeApp(() => this.pickLane().openStream(NO_VISITOR))
  }

  /** AppHealth: the health of the app has changed. */
  onHealthChange(change: HealthChange): void {
    this.#onHealth(this, change)
  }
}

/**
 * One session's part of a tunnel: the streams that lead to an app over one of its agent's connections. The connection ends at
 * this node, or at another one, to which streams then take a hop (node/).
 *
 *     online ──retire()──▶ retired ──last stream closed──▶ drained
 *
 * A retired lane takes no new streams; open ones continue.
 */
export class Lane {
  readonly tunnel: Tunnel
  readonly session: LaneCarrier
  #retired = false
  #streams = 0
  #onDrained: (() => void) | undefined

  /** Use `Tunnel.join`. */
  constructor(tunnel: Tunnel, session: LaneCarrier) {
    this.tunnel = tunnel
    this.session = session
  }

  get isOnline(): boolean {
    return !this.#retired && this.session.isResponsive
  }

  get isLocal(): boolean {
    return this.session.isLocal
  }

  /** Whether an idle stream on it may be used again: a hop is taken only if the tunnel has no lane here. */
  get isBest(): boolean {
    return this.isOnline && (this.isLocal || !this.tunnel.isNear)
  }

  /** Whether another request needs no separate message at the moment. */
  get isGathering(): boolean {
    return this.session.isGathering
  }

  /** Open streams, idle ones included. */
  get streamCount(): number {
    return this.#streams
  }

  /**
   * Opens a stream to the app. The agent answers with its reply before the first byte of the app.
   * @param visitor the visitor's address, for the agent's log
   * @throws ProtocolError `session_closed`, `limit_reached`
   */
  openStream(visitor: string): YamuxStream {
    const stream = this.session.openStream(this.tunnel, visitor)
    this.#streams++
    stream.once('close', () => {
      if (--this.#streams === 0) this.#onDrained?.()
    })
    return stream
  }

  /** The agent's check of its app on this connection. */
  report(healthy: boolean, detail: string): void {
    this.tunnel.report(this, healthy, detail)
  }

  /** Excludes the lane from every choice. `onDrained` runs once, when no stream is left. */
  retire(onDrained?: () => void): void {
    if (onDrained) this.#onDrained = onDrained
    if (!this.#retired) {
      this.#retired = true
      this.tunnel.leave(this)
    }
    if (this.#streams === 0) this.#onDrained?.()
  }
}

/** The same for the same offer of the same agent, on any of its connections, and after a reconnect. */
export function tunnelIdOf(offer: Offer, session: LaneCarrier): string {
  return `tun_${createHash('sha256').update(wordsOf(offer, session)).digest('base64url').slice(0, ID_CHARS)}`
}

/**
 * If an agent has another offer for the same number, that is another tunnel. It must not use the state of the
 * first.
 */
function wordsOf(offer: Offer, session: LaneCarrier): string {
  const { number, labels, forwardsTo, hostHeader, renamesAnswers, upstreamProtocol, weight, metadata } = offer
  const words = [labels, forwardsTo, hostHeader, renamesAnswers, upstreamProtocol, weight, metadata]
  return `${lastingIdOf(number, session)} ${JSON.stringify(words)}`
}

/** See `Tunnel.lastingId`. */
export function lastingIdOf(
  number: number,
  { authtokenId, instanceId }: Pick<LaneCarrier, 'authtokenId' | 'instanceId'>,
): string {
  return `${authtokenId} ${instanceId} ${number}`
}

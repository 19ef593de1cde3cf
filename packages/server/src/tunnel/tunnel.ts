// One offer of an agent inside a tunnel session: labels, and streams that lead to its app.
//
//   online ──retire()──▶ retired ──last stream closed──▶ drained
//
// A retired tunnel is not picked any more; what runs on it goes on.

import { randomUUID } from 'node:crypto'

import { encodeStreamHeader } from '@sallyport/protocol'
import type { Bind, Labels, YamuxStream } from '@sallyport/protocol'

import { AppHealth } from './app-health.ts'
import type { HealthChange } from './app-health.ts'
import { probeApp } from './probe-app.ts'

const NO_VISITOR = '' // the address in the header of a stream that the relay opens for itself

/** What a tunnel needs from the session that carries it. */
export interface TunnelCarrier {
  readonly id: string
  readonly authtokenId: string
  /** The agent process, over all of its connections. */
  readonly instanceId: string | undefined
  /** False once the session is closing, or while it does not answer pings. */
  readonly isResponsive: boolean
  /** Whether the agent has left a ping unanswered for too long. */
  readonly isSilent: boolean
  /** @throws ProtocolError `session_closed` */
  openStream(): YamuxStream
  /** Asks the agent for a sign of life, because a stream has waited too long for its reply. */
  probe(): void
}

export class Tunnel {
  readonly id = `tun_${randomUUID()}`
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
  readonly session: TunnelCarrier
  /** Stays the same when the agent reconnects, unlike `id`. Nobody outside may see it. */
  readonly lastingId: string
  /** What is known of the app. */
  readonly health: AppHealth
  /** Exchanges under way; the forwarder counts, the balancer reads. */
  inFlight = 0

  readonly #onRetire: (() => void)[] = []
  #retired = false
  #streams = 0
  #onDrained: (() => void) | undefined

  constructor(bind: Bind, labels: Labels, session: TunnelCarrier, onHealth: (change: HealthChange) => void) {
    this.number = bind.tunnel_id
    this.labels = labels
    this.forwardsTo = bind.forwards_to
    this.metadata = bind.metadata
    this.hostHeader = bind.host_header
    this.upstreamProtocol = bind.upstream_protocol
    this.weight = bind.weight
    this.session = session
    this.lastingId = `${session.authtokenId} ${session.instanceId} ${bind.tunnel_id}`
    this.health = new AppHealth({ probe: () => probeApp(() => this.openStream(NO_VISITOR)), onChange: onHealth })
  }

  get isOnline(): boolean {
    return !this.#retired && this.session.isResponsive
  }

  /** Whether the app is believed to answer. */
  get isWell(): boolean {
    return this.health.isWell
  }

  /**
   * Opens a stream to the app. The agent answers with its reply before the first byte of the app.
   * @param visitor the visitor's address, for the agent's log
   * @throws ProtocolError `session_closed`
   */
  openStream(visitor: string): YamuxStream {
    const stream = this.session.openStream()
    this.#streams++
    stream.once('close', () => {
      if (--this.#streams === 0) this.#onDrained?.()
    })
    stream.write(encodeStreamHeader({ tunnelId: this.number, visitor, protocol: this.upstreamProtocol }))
    return stream
  }

  /** Runs `listener` when the tunnel is retired: whoever keeps idle streams closes them. */
  onRetire(listener: () => void): void {
    this.#onRetire.push(listener)
  }

  /** Takes the tunnel out of every choice. `onDrained` runs once, when no stream is left. */
  retire(onDrained?: () => void): void {
    if (onDrained) this.#onDrained = onDrained
    if (!this.#retired) {
      this.#retired = true
      this.health.stop()
      for (const listener of this.#onRetire) listener()
    }
    if (this.#streams === 0) this.#onDrained?.()
  }
}

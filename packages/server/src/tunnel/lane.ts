// One session's part of a tunnel: the streams that lead to an app over one of its agent's connections.
//
//   online ──retire()──▶ retired ──last stream closed──▶ drained
//
// A retired lane is not used for anything new; what runs on it goes on.

import { encodeStreamHeader } from '@sallyport/protocol'
import type { YamuxStream } from '@sallyport/protocol'

import type { Tunnel } from './tunnel.ts'

/** What a lane needs from the session that carries it. */
export interface LaneCarrier {
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

export class Lane {
  readonly tunnel: Tunnel
  readonly session: LaneCarrier
  readonly #onRetire: (lane: Lane) => void
  #retired = false
  #streams = 0
  #onDrained: (() => void) | undefined

  /** Use `Tunnel.join`. */
  constructor(tunnel: Tunnel, session: LaneCarrier, onRetire: (lane: Lane) => void) {
    this.tunnel = tunnel
    this.session = session
    this.#onRetire = onRetire
  }

  get isOnline(): boolean {
    return !this.#retired && this.session.isResponsive
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
    const stream = this.session.openStream()
    this.#streams++
    stream.once('close', () => {
      if (--this.#streams === 0) this.#onDrained?.()
    })
    const { number, upstreamProtocol } = this.tunnel
    stream.write(encodeStreamHeader({ tunnelId: number, visitor, protocol: upstreamProtocol }))
    return stream
  }

  /** Takes the lane out of every choice. `onDrained` runs once, when no stream is left. */
  retire(onDrained?: () => void): void {
    if (onDrained) this.#onDrained = onDrained
    if (!this.#retired) {
      this.#retired = true
      this.#onRetire(this)
    }
    if (this.#streams === 0) this.#onDrained?.()
  }
}

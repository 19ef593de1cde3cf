// One session's part of a tunnel: the streams that lead to an app over one of its agent's connections. The connection
// ends at this node, or at another one, to which streams then take a hop (node/).
//
//   online ──retire()──▶ retired ──last stream closed──▶ drained
//
// A retired lane is not used for anything new; what runs on it goes on.

import type { YamuxStream } from '@sallyport/protocol'

import type { Tunnel } from './tunnel.ts'

/** Who is at the other end of an agent's connection; what it says of itself is no more than its word. */
export interface AgentOrigin {
  readonly address: string
  /** Milliseconds since 1970. */
  readonly connectedAt: number
  readonly roundTripMs: number | undefined
  readonly agent: { readonly version: string; readonly os: string; readonly machine: string | undefined }
}

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
  /** Whether a message leaves for the agent at the end of this turn of the event loop anyway. */
  readonly isGathering: boolean
  /** Whether the agent's connection ends at this node. */
  readonly isLocal: boolean
  /** For people; there where the agent's connection ends at this node. */
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
}

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

  /** Whether a stream that rests on it may be used again: a hop is taken only while there is no shorter way. */
  get isBest(): boolean {
    return this.isOnline && (this.isLocal || !this.tunnel.isNear)
  }

  /** Whether one more request costs no message of its own at the moment. */
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

  /** What the agent says of its app on this connection. */
  report(healthy: boolean, detail: string): void {
    this.tunnel.report(this, healthy, detail)
  }

  /** Takes the lane out of every choice. `onDrained` runs once, when no stream is left. */
  retire(onDrained?: () => void): void {
    if (onDrained) this.#onDrained = onDrained
    if (!this.#retired) {
      this.#retired = true
      this.tunnel.leave(this)
    }
    if (this.#streams === 0) this.#onDrained?.()
  }
}

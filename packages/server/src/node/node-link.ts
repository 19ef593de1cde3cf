// This node's link to another one: dialled, kept, and dialled again while that node exists. Streams that it opens are
// served by the other node (link-listener.ts).
//
//   connecting ──▶ open ──lost──▶ waiting ──▶ connecting …      any ──close()──▶ closed

import { connect } from 'node:net'
import type { Socket } from 'node:net'

import { ProtocolError, YamuxSession } from '@sallyport/protocol'
import type { BufferBudget, YamuxStream } from '@sallyport/protocol'

import type { Limits } from '../config/config.ts'
import type { Logger } from '../log.ts'
import { Silence } from '../tunnel/silence.ts'
import type { LaneKey } from './directory.ts'
import { encodeHopHeader } from './hop-header.ts'
import { SocketCarrier } from './socket-carrier.ts'

const STREAMS_MAX = 9_000 // a yamux session takes 10 000 of its peer
const RETRY_FIRST_MS = 50
const RETRY_LAST_MS = 5000

/** The parts that all links of a node have in common. */
export interface LinkParts {
  /** 32 bytes, known only to the nodes. */
  readonly secret: Buffer
  readonly limits: Limits
  readonly budget: BufferBudget
  readonly log: Logger
}

interface Open {
  mux: YamuxSession
  silence: Silence
}

export class NodeLink {
  /** Streams opened so far. */
  hops = 0
  readonly #nodeId: string
  readonly #path: string
  readonly #parts: LinkParts
  #socket: Socket | undefined
  #open: Open | undefined
  #retryMs = RETRY_FIRST_MS
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  /** @param path the socket at which the node takes links */
  constructor(nodeId: string, path: string, parts: LinkParts) {
    this.#nodeId = nodeId
    this.#path = path
    this.#parts = parts
    this.#dial()
  }

  get isResponsive(): boolean {
    const open = this.#open
    return open !== undefined && open.mux.isOpen && !open.silence.isSuspected
  }

  get isSilent(): boolean {
    return this.#open?.silence.isSuspected ?? false
  }

  /** @throws ProtocolError `session_closed`, `limit_reached` */
  openStream(lane: LaneKey, visitor: string): YamuxStream {
    if (!this.#open) throw new ProtocolError('session_closed', 'there is no link to that node')
    const { mux } = this.#open
    if (mux.streamCount >= STREAMS_MAX) {
      throw new ProtocolError('limit_reached', 'the link carries as many streams as it may')
    }
    const stream = mux.openStream()
    stream.write(encodeHopHeader({ ...lane, visitor }))
    this.hops++
    return stream
  }

  probe(): void {
    this.#open?.silence.probe()
  }

  /** Open streams are cut. */
  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
    this.#open?.mux.destroy()
    this.#socket?.destroy()
  }

  #dial(): void {
    const socket = connect(this.#path)
    this.#socket = socket
    const onFailure = (): void => this.#retry()
    socket.on('error', () => {}) // 'close' follows
    socket.once('close', onFailure)
    socket.once('connect', () => {
      socket.off('close', onFailure)
      socket.write(this.#parts.secret)
      this.#use(socket)
    })
  }

  #use(socket: Socket): void {
    const { limits, budget, log } = this.#parts
    const mux = new YamuxSession(new SocketCarrier(socket), {
      role: 'client',
      maxWindowBytes: limits.stream_window_bytes,
      budget,
    })
    this.#open = { mux, silence: new Silence(mux) }
    this.#retryMs = RETRY_FIRST_MS
    log.debug({ nodeId: this.#nodeId }, 'linked to another node')
    void mux.closed.then((reason) => {
      this.#open = undefined
      if (this.#isClosed) return
      log.debug({ nodeId: this.#nodeId, reason: reason?.message }, 'link to another node lost')
      this.#retry()
    })
  }

  #retry(): void {
    if (this.#isClosed) return
    this.#timer = setTimeout(() => this.#dial(), this.#retryMs)
    this.#timer.unref()
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_LAST_MS)
  }
}

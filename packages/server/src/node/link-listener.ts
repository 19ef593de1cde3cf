// Takes the links of other nodes and serves their streams, only from lanes that end here. A dialling node must send the
// secret first; the socket's folder is open to this user only, and the secret is the second lock.

import { timingSafeEqual } from 'node:crypto'
import { createServer } from 'node:net'
import type { Server, Socket } from 'node:net'

import { ProtocolError, YamuxSession, encodeRefusal, splice } from '@sallyport/protocol'
import type { YamuxStream } from '@sallyport/protocol'

import type { Lane } from '../tunnel/tunnel.ts'
import type { LaneKey } from './directory.ts'
import { decodeHopHeader } from './hop-header.ts'
import type { LinkParts } from './node-link.ts'
import { SocketCarrier } from './socket-carrier.ts'

const SECRET_DEADLINE_MS = 5000
const HEADER_DEADLINE_MS = 10_000 // it comes with the stream's first frame
// If an agent is silent for this time, the relay asks it for a sign of life; after the same time again, it informs the
// visitor's node.
const REPLY_PATIENCE_MS = 2000

export interface LinkListenerInit extends LinkParts {
  /** The lane with this key, if it ends at this node. */
  findLane: (key: LaneKey) => Lane | undefined
}

export class LinkListener {
  readonly #init: LinkListenerInit
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  constructor(init: LinkListenerInit) {
    this.#init = init
    this.#server = createServer({ allowHalfOpen: false }, (socket) => this.#accept(socket))
  }

  /** @throws the system's error */
  async listen(path: string): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(path, () => {
        this.#server.off('error', reject)
        // The system could not hand a connection over; others are not affected.
        this.#server.on('error', (error) => this.#init.log.error({ err: error }, 'link listener failed'))
        resolve()
      })
    })
  }

  /** Open streams are cut. */
  close(): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  #accept(socket: Socket): void {
    const { secret, log } = this.#init
    this.#sockets.add(socket)
    socket.on('error', () => {}) // 'close' follows
    socket.once('close', () => this.#sockets.delete(socket))
    const deadline = setTimeout(() => socket.destroy(), SECRET_DEADLINE_MS)
    socket.once('close', () => clearTimeout(deadline))
    let kept = Buffer.alloc(0)
    const onData = (chunk: Buffer): void => {
      kept = Buffer.concat([kept, chunk])
      if (kept.length < secret.length) return
      clearTimeout(deadline)
      socket.off('data', onData).pause()
      if (!timingSafeEqual(kept.subarray(0, secret.length), secret)) {
        log.warn('somebody dialled the link of this node without its secret')
        socket.destroy()
        return
      }
      if (kept.length > secret.length) socket.unshift(kept.subarray(secret.length))
      this.#serve(socket)
    }
    socket.on('data', onData)
  }

  #serve(socket: Socket): void {
    const { limits, budget } = this.#init
    const mux = new YamuxSession(new SocketCarrier(socket), {
      role: 'server',
      onStream: (stream) => this.#readHeader(stream),
      maxWindowBytes: limits.stream_window_bytes,
      budget,
    })
    void mux.closed.then(() => socket.destroy())
    socket.resume()
  }

  #readHeader(stream: YamuxStream): void {
    stream.on('error', () => {}) // 'close' follows
    const deadline = setTimeout(() => stream.destroy(), HEADER_DEADLINE_MS)
    stream.once('close', () => clearTimeout(deadline))
    let kept: Buffer | undefined
    const onData = (chunk: Buffer): void => {
      kept = kept ? Buffer.concat([kept, chunk]) : chunk
      try {
        const decoded = decodeHopHeader(kept)
        if (!decoded) return
        clearTimeout(deadline)
        stream.off('data', onData).pause()
        if (kept.length > decoded.length) stream.unshift(kept.subarray(decoded.length))
        this.#forward(stream, decoded.header, decoded.header.visitor)
      } catch (error) {
        this.#init.log.warn({ reason: (error as Error).message }, 'a stream of another node was refused') // ProtocolError
        stream.destroy()
      }
    }
    stream.on('data', onData)
  }

  #forward(stream: YamuxStream, key: LaneKey, visitor: string): void {
    const lane = this.#init.findLane(key)
    // The lane has gone meanwhile. The other node learns of that, too, and tries elsewhere: nothing was sent.
    if (!lane?.isOnline) return refuse(stream, 'the tunnel has left this node')
    let upstream: YamuxStream
    try {
      upstream = lane.openStream(visitor)
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      return refuse(stream, error.message)
    }
    watchForReply(stream, upstream, lane)
    void splice(stream, upstream)
  }
}

/** The visitor's node can see only the state of the link; the state of the agent must be found out here. */
function watchForReply(stream: YamuxStream, upstream: YamuxStream, { session }: Lane): void {
  const timer = setInterval(() => {
    if (session.isSilent) stream.destroy()
    else session.probe()
  }, REPLY_PATIENCE_MS)
  upstream.once('data', () => clearInterval(timer))
  upstream.once('close', () => clearInterval(timer))
}

/** This error shows nothing about the app, so the tunnel stays in use. */
function refuse(stream: YamuxStream, reason: string): void {
  stream.end(encodeRefusal('tunnel_unknown', reason))
  stream.resume()
  const deadline = setTimeout(() => stream.destroy(), HEADER_DEADLINE_MS)
  stream.once('close', () => clearTimeout(deadline))
}

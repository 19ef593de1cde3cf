// One tunnel stream used as an HTTP/2 connection to an app (RFC 9113, prior knowledge): the agent's reply, the app's
// SETTINGS, then many exchanges at once. Nothing of an exchange is sent before both, so that a refused exchange is
// still complete.
//
//   waiting for reply ──ok──▶ waiting for SETTINGS ──▶ open ──GOAWAY, retire() or idle──▶ closing ──last stream──▶ over
//          └─refused──▶ over        └─garbage, deadline──▶ over
// No PING: servers of gRPC punish frequent ones, and the tunnel session itself notices a dead connection.

import { connect } from 'node:http2'
import type { ClientHttp2Session, ClientHttp2Stream, Settings } from 'node:http2'

import { ProtocolError, decodeStreamReply, outliveStreams, watchEnd } from '@sallyport/protocol'
import type { StreamReply, YamuxStream } from '@sallyport/protocol'

import { RelayError } from '../../errors.ts'
import { within } from '../../exchange/border.ts'
import type { Bordered, OnFault } from '../../exchange/border.ts'
import type { Lane, Tunnel } from '../../tunnel/tunnel.ts'
import { PROBE_AFTER_MS } from '../transfer/deadlines.ts'
import type { Watched } from '../transfer/deadlines.ts'

/** Exchanges at once on one connection, as most servers allow; further ones get a connection of their own. */
const STREAMS_MAX = 100
/**
 * How much an app may send for one exchange before the visitor has taken any of it. Node gives credit for the whole
 * connection at once, so a connection can make us hold this times STREAMS_MAX.
 */
const STREAM_WINDOW_BYTES = 256 * 1024
/** In flight for all exchanges of a connection together. */
const CONNECTION_WINDOW_BYTES = 8 * 1024 * 1024
const SESSION_MEMORY_MB = 32 // for waiting bytes, STREAMS_MAX times a few messages; above it Node refuses streams
const HEADER_PAIRS_MAX = 1024
/**
 * How long an end may take that no caller waits for: of a stream that was reset, or of a session that closes without
 * streams. If the app takes no bytes, node:http2 sends neither end, and then reads nothing either, not even the app's
 * own end.
 */
const LEAVE_MS = 2000
/** A new connection costs two round trips; an app that wants its connections back sooner says GOAWAY. */
const IDLE_MS = 60_000

export interface Http2ConnectionInit {
  headMaxBytes: number
  /** Until the app has sent SETTINGS. */
  openDeadlineMs: number
  /** The connection can carry exchanges; or it cannot, and nothing was sent. Called once. */
  onOpened: (connection: Http2Connection, failure: StreamReply | Error | undefined) => void
  /** The connection is gone, in any state. Called once. */
  onGone: (connection: Http2Connection) => void
  onFault: OnFault
}

export class Http2Connection implements Watched, Bordered {
  place = -1
  readonly tunnel: Tunnel
  readonly lane: Lane
  readonly #init: Http2ConnectionInit
  readonly #stream: YamuxStream
  readonly #openedAt = performance.now()
  #session: ClientHttp2Session | undefined
  #outlive: ReturnType<typeof outliveStreams> | undefined
  #kept: Buffer | undefined
  #isOpened = false
  #isGone = false
  #lost: Error | undefined
  /** Open streams; for a stream whose exchange has ended, the time since then. */
  readonly #streams = new Map<ClientHttp2Stream, number | undefined>()
  #idleSince = 0
  #isStuck = false
  #streamsMax = STREAMS_MAX

  /** @throws ProtocolError `session_closed`, `limit_reached` */
  constructor(tunnel: Tunnel, visitor: string, init: Http2ConnectionInit) {
    this.tunnel = tunnel
    this.#init = init
    this.lane = tunnel.pickLane()
    this.#stream = this.lane.openStream(visitor)
    this.#stream.on('data', this.#onReplyBytes)
    this.#stream.on('error', (error: Error) => (this.#lost ??= error))
    this.#stream.on('end', () => {
      this.#lost ??= new Error('the app closed the connection')
      // Its half-close ends both directions (RFC 9113 9.1): an incomplete answer will not be completed.
      this.#stream.destroy()
    })
    this.#stream.on(
      'close',
      within(this, () => this.#leave()),
    )
  }

  /** Whether another exchange can start here now. */
  get hasRoom(): boolean {
    return this.#isOpened && this.#streams.size < this.#streamsMax && !this.isClosing && !this.#isStuck
  }

  /** Whether it will be open, or has room again, without a new connection. */
  get isClosing(): boolean {
    return this.#isGone || (this.#session?.closed ?? false) || (this.#session?.destroyed ?? false)
  }

  /**
   * Starts an exchange. Only while `hasRoom`.
   * @param head flat list with the pseudo-headers in front
   * @returns the stream, and whether the app has ended the answer with END_STREAM
   * @throws the error of node:http2 about the head
   */
  request(head: string[], hasBody: boolean): { stream: ClientHttp2Stream; sawEnd: () => boolean } {
    const session = this.#session! // hasRoom
    const stream = session.request(head, { endStream: !hasBody, waitForTrailers: hasBody })
    const sawEnd = watchEnd(stream)
    this.#streams.set(stream, undefined)
    stream.once('close', () => {
      this.#streams.delete(stream)
      this.#idleSince = performance.now()
      this.#outlive?.(stream, sawEnd)
    })
    return { stream, sawEnd }
  }

  /** Takes no further exchange and ends with the last one. */
  retire(): void {
    if (this.#isOpened) this.#session?.close()
    else this.destroy(new ProtocolError('draining', 'the tunnel is leaving'))
  }

  destroy(error: Error): void {
    this.#lost ??= error
    this.#session?.destroy()
    this.#stream.destroy()
  }

  /** Code threw on input from this connection: it ends, with its exchanges. */
  fault(thrown: unknown): void {
    this.#init.onFault(thrown, 'app_connection')
    this.destroy(new RelayError('internal', { cause: thrown }))
  }

  tick(now: number): void {
    if (!this.#isOpened) {
      const waitedMs = now - this.#openedAt
      if (waitedMs > PROBE_AFTER_MS && !this.#session) this.lane.session.probe()
      if (waitedMs > this.#init.openDeadlineMs) this.#giveUp()
      return
    }
    let isInUse = false
    for (const [stream, overSince] of this.#streams) {
      if (!stream.closed) isInUse = true
      else if (overSince === undefined) this.#streams.set(stream, now)
      else if (now - overSince > LEAVE_MS) this.#isStuck = true
    }
    if (isInUse) return
    const idleMs = this.#streams.size === 0 ? now - this.#idleSince : 0
    if (this.#isStuck || (this.isClosing && idleMs > LEAVE_MS)) this.destroy(new Error('the connection does not end'))
    else if (idleMs > IDLE_MS) this.retire()
  }

  #giveUp(): void {
    const reason = this.#session ? 'the app said nothing in HTTP/2' : 'no reply of the agent'
    this.#tellOpened({ ok: false, code: 'app_timeout', reason })
    this.destroy(new Error(reason))
  }

  readonly #onReplyBytes = within(this, (chunk: Buffer): void => {
    const bytes = this.#kept ? Buffer.concat([this.#kept, chunk]) : chunk
    const decoded = decodeStreamReply(bytes)
    if (!decoded) {
      this.#kept = bytes
      return
    }
    this.#kept = undefined
    this.tunnel.health.noteReply(decoded.reply)
    if (!decoded.reply.ok) {
      this.#stream.off('data', this.#onReplyBytes).end().resume()
      return this.#tellOpened(decoded.reply)
    }
    this.#stream.off('data', this.#onReplyBytes).pause()
    if (bytes.length > decoded.length) this.#stream.unshift(bytes.subarray(decoded.length))
    this.#begin()
  })

  #begin(): void {
    // The name is node:http2's own bookkeeping; every exchange brings its :authority.
    const session = connect('http://app', {
      createConnection: () => this.#stream,
      settings: {
        enablePush: false,
        initialWindowSize: STREAM_WINDOW_BYTES,
        maxHeaderListSize: this.#init.headMaxBytes,
      },
      maxHeaderListPairs: HEADER_PAIRS_MAX,
      maxSessionMemory: SESSION_MEMORY_MB,
      // The app judges repeated headers of a visitor's request, as on HTTP/1.1. @types/node does not know the option.
      ...({ strictSingleValueFields: false } satisfies object),
    })
    this.#session = session
    this.#outlive = outliveStreams(session)
    // node:http2 wraps a stream that is not a system socket in a socket of its own, which answers the app's FIN with a
    // FIN and then asserts that nothing is written: but the session writes, and the assertion ends the process (Node.js
    // 24.21).
    session.socket.allowHalfOpen = true
    const on = <Args extends unknown[]>(event: string, listener: (...args: Args) => void): unknown =>
      session.on(event, within(this, listener))
    // These events come a tick late, and the session may already be closed.
    on('connect', () => {
      if (!session.destroyed) session.setLocalWindowSize(CONNECTION_WINDOW_BYTES)
    })
    on('remoteSettings', ({ maxConcurrentStreams = STREAMS_MAX }: Settings) => {
      if (session.destroyed) return
      this.#streamsMax = Math.min(STREAMS_MAX, maxConcurrentStreams)
      if (this.#isOpened) return
      if (maxConcurrentStreams === 0) return this.destroy(new Error('the app takes no HTTP/2 streams'))
      this.#tellOpened(undefined)
    })
    session.on('error', (error: Error) => (this.#lost ??= error))
    session.on('close', () => {
      // Streams that waited for the last bytes of the session have them; now the connection itself closes.
      this.#stream.destroy()
    })
  }

  #tellOpened(failure: StreamReply | Error | undefined): void {
    if (this.#isOpened || this.#isGone) return
    if (failure) this.#isGone = true
    else {
      this.#isOpened = true
      this.#idleSince = performance.now()
    }
    this.#init.onOpened(this, failure)
    if (failure) this.#init.onGone(this)
  }

  #leave(): void {
    const lost = this.#lost ?? new Error('the connection to the app ended')
    if (!this.#isOpened) {
      const isForeign = this.#session && !(lost instanceof ProtocolError) && !(lost instanceof RelayError)
      return this.#tellOpened(isForeign ? notHttp2(lost) : lost)
    }
    if (this.#isGone) return
    this.#isGone = true
    this.#session?.destroy()
    this.#init.onGone(this)
  }
}

/** An app that speaks HTTP/1.1 answers the preface with a 400, or closes. */
function notHttp2(cause: Error): Error {
  return new Error('the app does not speak HTTP/2 with prior knowledge; remove --upstream-protocol', { cause })
}

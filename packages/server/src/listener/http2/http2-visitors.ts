// Visitors who speak HTTP/2: one session per connection, one exchange per stream. It makes the same Exchange objects as
// HTTP/1.1 does, and limits the attacks that HTTP/2 makes possible: floods, resets, idling, and connections that never
// end.

import { constants, performServerHandshake } from 'node:http2'
import type { ServerHttp2Session, ServerHttp2Stream, ServerSessionOptions } from 'node:http2'
import type { Socket } from 'node:net'

import { outliveStreams, watchEnd } from '@sallyport/protocol'
import type { Logger } from 'pino'

import type { Limits, Timeouts } from '../../config/config.ts'
import { RelayError } from '../../errors.ts'
import type { OnFault } from '../../exchange/border.ts'
import { identifyVisitor } from '../../exchange/visitor/client-ip.ts'
import { Exchange, WEBSOCKET } from '../../exchange/exchange.ts'
import type { Upgrade } from '../../exchange/exchange.ts'
import type { LimitRefusals } from '../../exchange/limit-refusals.ts'
import type { Look } from '../../pages/look.ts'
import type { VisitorConnection } from '../connection.ts'
import { limitError } from '../turn-away.ts'
import { admitHttp2 } from './http2-admission.ts'
import type { Http2Head } from './http2-admission.ts'
import { Http2Request } from './http2-request.ts'
import { Http2Response } from './http2-response.ts'

const SWEEP_INTERVAL_MS = 500

// How many bytes of uploads may be under way. A single stream gets 10 MB/s over 25 ms, and a connection holds no more
// in memory.
const STREAM_WINDOW_BYTES = 256 * 1024
const CONNECTION_WINDOW_BYTES = 1024 * 1024

// Rapid reset (CVE-2023-44487). A browser that leaves a page may reset a hundred streams at once, but no browser
// continues to do so.
const RESET_BURST = 500
const RESETS_PER_SECOND = 50

// How many malformed frames and refused streams end the connection; a correct peer sends hardly any.
const INVALID_FRAMES_MAX = 100
const REFUSED_STREAMS_MAX = 100

// Frames that carry neither heads nor bodies (PING, SETTINGS, WINDOW_UPDATE, unknown ones …): a peer that sends more
// of them between two sweeps than this, beyond those that its own traffic accounts for, is flooding. 13-byte frames: 10
// 000.
const OVERHEAD_BYTES_PER_SWEEP = 128 * 1024
// Window updates for bytes that we send: 13 bytes for each, and even small ones cover some hundred bytes.
const SENT_BYTES_PER_OVERHEAD_BYTE = 16
// Frame heads of heads and bodies; a body may come in tiny pieces.
const OVERHEAD_PER_STREAM_BYTES = 128
const OVERHEAD_PER_BODY_BYTE = 10
// node:http2 reports frames of two kinds one by one. No traffic accounts for them, so they are counted separately.
const PING_BYTES = 17
const SETTINGS_BYTES = 9 // at least

// RFC 7541 4.1, 4.2: the size of the table of a visitor's encoder, and the overhead of each entry.
const HPACK_TABLE_BYTES = 4096
const HPACK_ENTRY_BYTES = 32

// After GOAWAY and with nothing left to do, a visitor gets this long to close.
const LEAVE_MS = 2000

export interface Http2VisitorsInit {
  scheme: 'http' | 'https'
  limits: Limits
  refusals: LimitRefusals
  timeouts: Timeouts
  look: Look
  log: Logger
  isTrustedProxy: (address: string) => boolean
  /** Runs an exchange to its end; must not reject. */
  onExchange: (exchange: Exchange) => Promise<void>
  /** Called for each request on this connection, refused or not. */
  onAsked: (socket: Socket) => void
  onFault: OnFault
}

/** One connection and its state. */
interface Peer {
  readonly session: ServerHttp2Session
  readonly outlive: ReturnType<typeof outliveStreams>
  readonly socket: Socket
  readonly connection: VisitorConnection
  /** Streams that are open. */
  streams: number
  /** Running exchanges, which may outlive their stream. */
  exchanges: number
  hasServed: boolean
  idleSince: number
  leavingSince: number | undefined
  /** The traffic that accounts for the bytes since the last sweep. */
  allowance: number
  /** Bytes of PING and SETTINGS since then. */
  controlBytes: number
  bytesRead: number
  bytesWritten: number
}

export class Http2Visitors {
  readonly #init: Http2VisitorsInit
  readonly #settings: ServerSessionOptions
  readonly #peers = new Set<Peer>()
  readonly #timer: NodeJS.Timeout
  #isClosing = false
  #onEmpty: (() => void) | undefined

  constructor(init: Http2VisitorsInit) {
    this.#init = init
    const { limits } = init
    this.#settings = {
      settings: {
        enableConnectProtocol: true, // RFC 8441
        maxConcurrentStreams: limits.streams_per_connection,
        initialWindowSize: STREAM_WINDOW_BYTES,
        // RFC 9113 6.5.2 counts 32 bytes for each field. Up to twice the limit, a visitor gets 431; above that,
        // node:http2 resets the stream while the head is still coming.
        maxHeaderListSize: 2 * (limits.header_bytes + 32 * limits.headers_count),
      },
      maxHeaderListPairs: 2 * limits.headers_count + PSEUDO_HEADERS,
      maxSessionInvalidFrames: INVALID_FRAMES_MAX,
      maxSessionRejectedStreams: REFUSED_STREAMS_MAX,
      streamResetBurst: RESET_BURST,
      streamResetRate: RESETS_PER_SECOND,
      strictSingleValueFields: false, // an app may repeat a header, as on HTTP/1.1
    }
    this.#timer = setInterval(() => this.#sweep(performance.now()), SWEEP_INTERVAL_MS)
    this.#timer.unref()
  }

  /** Takes over a connection whose next byte begins the HTTP/2 preface. */
  accept(socket: Socket, connection: VisitorConnection): void {
    socket.on('error', () => {}) // the visitor left; 'close' reports the same
    if (this.#isClosing) return void socket.destroy()
    socket.allowHalfOpen = false // node:http's server allows it; on HTTP/2, a visitor who ends the connection is gone
    const session = performServerHandshake(socket, this.#settings)
    const peer: Peer = {
      session,
      outlive: outliveStreams(session),
      socket,
      connection,
      streams: 0,
      exchanges: 0,
      hasServed: false,
      idleSince: performance.now(),
      leavingSince: undefined,
      allowance: 0,
      controlBytes: 0,
      bytesRead: socket.bytesRead,
      bytesWritten: socket.bytesWritten,
    }
    this.#peers.add(peer)
    connection.onRetire = () => this.#leave(peer)
    session.setLocalWindowSize(CONNECTION_WINDOW_BYTES)
    session.on('stream', (stream, _, __, raw) => {
      try {
        this.#onStream(peer, stream, raw)
      } catch (error) {
        this.#init.onFault(error, 'visitor_connection')
        session.destroy()
      }
    })
    session.on('ping', () => (peer.controlBytes += PING_BYTES))
    session.on('remoteSettings', () => (peer.controlBytes += SETTINGS_BYTES))
    session.on('error', (error) => {
      this.#init.log.debug({ clientIp: connection.clientIp, err: error }, 'HTTP/2 connection failed')
    })
    socket.once('close', () => {
      this.#peers.delete(peer)
      if (this.#peers.size === 0) this.#onEmpty?.()
    })
  }

  /** Sends GOAWAY; running exchanges may finish. Resolves when every connection is gone. */
  async close(): Promise<void> {
    this.#isClosing = true
    for (const peer of this.#peers) this.#leave(peer)
    if (this.#peers.size > 0) {
      this.#timer.ref()
      await new Promise<void>((resolve) => (this.#onEmpty = resolve))
    }
    clearInterval(this.#timer)
  }

  destroy(): void {
    this.#isClosing = true
    clearInterval(this.#timer)
    for (const { socket } of this.#peers) socket.destroy()
  }

  #onStream(peer: Peer, stream: ServerHttp2Stream, raw: string[]): void {
    stream.on('error', () => {}) // the visitor left; 'close' reports the same
    peer.streams++
    peer.idleSince = performance.now()
    peer.hasServed = true
    this.#init.onAsked(peer.socket)
    peer.allowance += OVERHEAD_PER_STREAM_BYTES + mostBytesOnTheWire(raw)
    if (!stream.endAfterHeaders) {
      // Bytes of a body count when they arrive, because a body may stay unread for long, and a refused body is never
      // read.
      const sawEnd = watchEnd(stream, (bytes) => (peer.allowance += OVERHEAD_PER_BODY_BYTE * bytes))
      stream.once('close', () => peer.outlive(stream, sawEnd))
    }
    stream.once('close', () => {
      peer.streams--
      peer.idleSince = performance.now()
    })
    // Streams that are reset leave at once, but their exchanges take a moment to stop, so the number of exchanges has a
    // limit, too.
    if (peer.exchanges >= 2 * this.#init.limits.streams_per_connection) {
      if (peer.session.destroyed) return // what came in the same piece
      this.#init.refusals.count('streams_per_connection', peer.connection.clientIp)
      peer.session.destroy(new Error('too many exchanges at once'), constants.NGHTTP2_ENHANCE_YOUR_CALM)
      return
    }
    const exchange = this.#exchangeOf(peer, stream, raw)
    if (exchange) void this.#run(peer, exchange)
  }

  async #run(peer: Peer, exchange: Exchange): Promise<void> {
    peer.exchanges++
    await this.#init.onExchange(exchange)
    peer.exchanges--
    peer.idleSince = performance.now()
  }

  /** Admission; a refused request is answered here and makes no exchange. */
  #exchangeOf(peer: Peer, stream: ServerHttp2Stream, raw: readonly string[]): Exchange | undefined {
    const { scheme, limits, isTrustedProxy, log } = this.#init
    const { connection } = peer
    const header = (name: string): string | undefined => raw.find((_, i) => i % 2 === 1 && raw[i - 1] === name)
    const visitor = identifyVisitor(connection, scheme, raw, isTrustedProxy)
    const response = new Http2Response(stream, header(':method') === 'HEAD')
    let head: Http2Head
    try {
      if (connection.limit !== undefined) throw limitError(connection.limit)
      head = admitHttp2(raw, {
        scheme,
        mayClaimHttps: connection.isFromProxy,
        hasBody: !stream.endAfterHeaders,
        headerMaxBytes: limits.header_bytes,
        headersMax: limits.headers_count,
      })
    } catch (error) {
      const rawHeaders = raw.filter((_, i) => !raw[i - (i % 2)]!.startsWith(':')) // pairs
      const target = header(':path') ?? '/'
      const request = new Http2Request(stream, { method: header(':method') ?? 'GET', target, rawHeaders })
      const refused = new Exchange({ request, response, connection, host: '', ...visitor })
      refused.look = this.#init.look
      refused.fail(error)
      if (error instanceof RelayError && error.limit) this.#init.refusals.count(error.limit, visitor.clientIp)
      log.debug({ requestId: refused.requestId, clientIp: visitor.clientIp, err: error }, 'request refused')
      if (connection.limit !== undefined) this.#leave(peer)
      return undefined
    }
    const request = new Http2Request(stream, head)
    const upgrade = head.isWebSocket ? upgradeOf(stream) : undefined
    return new Exchange({ request, response, connection, host: head.host, ...visitor, ...(upgrade && { upgrade }) })
  }

  #sweep(now: number): void {
    for (const peer of this.#peers) {
      try {
        this.#look(peer, now)
      } catch (error) {
        this.#init.onFault(error, 'visitor_connection')
        peer.socket.destroy()
      }
    }
  }

  #look(peer: Peer, now: number): void {
    if (this.#isFlooding(peer)) {
      peer.session.destroy(new Error('flood of frames'), constants.NGHTTP2_ENHANCE_YOUR_CALM)
      peer.leavingSince ??= now
    }
    const { keep_alive_seconds, request_head_seconds, visitor_stall_seconds } = this.#init.timeouts
    if (peer.exchanges > 0) return // each has deadlines of its own
    if (peer.streams > 0) {
      // Only refusals and resets remain, and the visitor does not read them.
      if (now - peer.idleSince > visitor_stall_seconds * 1000) peer.socket.destroy()
      return
    }
    if (peer.leavingSince !== undefined) {
      if (now - peer.leavingSince > LEAVE_MS && now - peer.idleSince > LEAVE_MS) peer.socket.destroy()
      return
    }
    const patience = peer.hasServed ? keep_alive_seconds : request_head_seconds
    if (now - peer.idleSince > patience * 1000) this.#leave(peer)
  }

  #isFlooding(peer: Peer): boolean {
    const { socket } = peer
    const read = socket.bytesRead - peer.bytesRead
    const written = socket.bytesWritten - peer.bytesWritten
    peer.bytesRead += read
    peer.bytesWritten += written
    const explained = peer.allowance + written / SENT_BYTES_PER_OVERHEAD_BYTE
    const { controlBytes } = peer
    peer.allowance = 0
    peer.controlBytes = 0
    return read > explained + OVERHEAD_BYTES_PER_SWEEP || controlBytes > OVERHEAD_BYTES_PER_SWEEP
  }

  #leave(peer: Peer): void {
    peer.leavingSince ??= performance.now()
    peer.session.close()
  }
}

const PSEUDO_HEADERS = 5

/**
 * How many bytes the head may have taken on the wire. node:http2 does not report that, and reads the frames from the
 * socket by itself. A field that fits into the table may take only one byte when it comes again, so each field of a
 * long head counts once; otherwise a few bytes would account for a flood of thirty thousand.
 */
function mostBytesOnTheWire(raw: readonly string[]): number {
  let bytes = 0
  for (const text of raw) bytes += text.length
  if (bytes <= HPACK_TABLE_BYTES) return bytes
  const seen = new Set<string>()
  let counted = 0
  for (let i = 0; i < raw.length; i += 2) {
    const field = `${raw[i]}:${raw[i + 1]}` // pairs
    if (field.length + HPACK_ENTRY_BYTES <= HPACK_TABLE_BYTES) {
      if (seen.has(field)) continue
      seen.add(field)
    }
    counted += field.length
  }
  return counted
}

/** RFC 8441 5: the stream itself is the WebSocket, and 200 replaces 101. */
function upgradeOf(stream: ServerHttp2Stream): Upgrade {
  let idle = Infinity
  return {
    protocol: WEBSOCKET,
    socket: stream,
    head: Buffer.alloc(0),
    accept(headers, rest, idleMs) {
      const kept = headers.filter((_, i) => headers[i - (i % 2)]!.toLowerCase() !== 'sec-websocket-accept') // pairs
      stream.respond([':status', '200', ...kept.map((text, i) => (i % 2 === 0 ? text.toLowerCase() : text))])
      idle = idleMs
      stream.setTimeout(idleMs, () => stream.destroy(new Error('the WebSocket was silent for too long')))
      if (rest.length > 0) stream.write(rest)
    },
    hasten(idleMs) {
      if (!stream.destroyed && idleMs < idle) stream.setTimeout(idleMs)
    },
  }
}

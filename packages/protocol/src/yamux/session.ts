// A yamux session: many streams over one carrier, wire-compatible with
// https://github.com/hashicorp/yamux/blob/master/spec.md. It routes frames to streams, opens and accepts them, and ends
// them all together. What may leave when is the outbox's business, whose bytes are whose the stream's.
//
// Whatever a peer sends ends in one of three ways: it is served, its stream is reset, or, where the rules of the
// session itself are broken, GoAway(1) and the end of the session as `mux_violation`. It never throws.
//
//   open ──goAway()/GoAway(0)──▶ draining (no new streams) ──close()──▶ closed
//     └────── violation, silence, destroy(), carrier gone ──────────────▶ closed, with an error

// oxlint-disable no-unused-private-class-members -- it does not see that #Inside uses them; the compiler does

import { ProtocolError } from '../process/errors.ts'
import type { BufferBudget, BufferHolder } from './buffer-budget.ts'
import type { Carrier } from './carrier.ts'
import {
  FLAG_ACK,
  FLAG_FIN,
  FLAG_RST,
  FLAG_SYN,
  GO_AWAY_INTERNAL_ERROR,
  GO_AWAY_NORMAL,
  GO_AWAY_PROTOCOL_ERROR,
  INITIAL_WINDOW_BYTES,
  TYPE_DATA,
  TYPE_PING,
  TYPE_WINDOW_UPDATE,
  UINT32_MAX,
} from './frame.ts'
import { FrameReader, type FrameSink } from './frame-reader.ts'
import { Liveness, type LivenessHost } from './liveness.ts'
import { Outbox } from './outbox.ts'
import { SMALLEST_WINDOW_BYTES } from './receive-window.ts'
import { YamuxStream, type StreamHost } from './stream.ts'

export interface YamuxSessionOptions {
  /** Which stream ids are ours: the client opens odd ones, the server even ones. */
  role: 'client' | 'server'
  /** A stream that the peer opened; ACK is sent by itself. Without a handler such streams are reset. */
  onStream?: (stream: YamuxStream) => void
  /** Streams the peer may have open at once; the next ones are reset. */
  maxStreams?: number
  /** Receive windows grow no further than this. */
  maxWindowBytes?: number
  /** Received and unread bytes of all streams; beyond it the longest-stalled stream is reset. As the budget says, unless told. */
  maxBufferedBytes?: number
  /** Shared by the sessions of a process: past it, the longest-stalled stream of the session that holds most is reset. */
  budget?: BufferBudget
  /** Where memory is short, a stream whose reader has stood still for this long goes before it is full. */
  stallLimitMs?: number
  pingIntervalMs?: number
  /** Not a single byte from the peer for this long: the session ends as `silent`. */
  silenceLimitMs?: number
  /** How long `close()` waits for streams to end, unless its caller says otherwise. */
  closeDeadlineMs?: number
}

const MAX_STREAMS = 10_000 // far above what one agent serves; each costs some kilobytes
const MAX_WINDOW_BYTES = 16 * 1024 * 1024 // 1 Gbit/s over 60 ms, twice
const MAX_BUFFERED_BYTES = 32 * 1024 * 1024 // several sessions fit a small heap even when all are at the cap
// Of what may be buffered. From half on windows stop growing, and those of slow readers shrink; from three quarters on a
// stream goes that has stood still for long; at the whole the one that has stood still longest, however short that was.
const TIGHT_SHARE = 0.5
const SHORT_SHARE = 0.75
const STALL_LIMIT_MS = 10_000 // a slow reader moves every second or so, one on a train after a tunnel or two
const PING_INTERVAL_MS = 10_000 // below the 60 s idle cut of common load balancers
const SILENCE_LIMIT_MS = 15_000 // one ping and half an interval
const CLOSE_DEADLINE_MS = 30_000 // the drain time of the relay
const HANDSHAKE_MS = 1_000 // for the peer to answer our closing; then the connection is cut
// hashicorp's client may send the SYNs of concurrent opens out of order, so ids that were passed over stay valid for a
// while; few for each SYN, or a peer that jumps about would buy much work with twelve bytes.
const SKIPPED_IDS_AT_MOST = 1_024
const SKIPPED_IDS_PER_SYN = 64

export class YamuxSession implements BufferHolder {
  /** The peer asks us to open no more streams. */
  onGoAway: (() => void) | undefined
  /** Resolves, never rejects, when the session is over: with why, or with undefined when it was closed on purpose. */
  readonly closed: Promise<ProtocolError | undefined>

  readonly #carrier: Carrier
  readonly #outbox: Outbox
  readonly #liveness: Liveness
  readonly #reader: FrameReader
  readonly #host: StreamHost

  readonly #onStream: ((stream: YamuxStream) => void) | undefined
  readonly #maxStreams: number
  readonly #maxWindowBytes: number
  readonly #maxBufferedBytes: number
  readonly #budget: BufferBudget | undefined
  readonly #stallLimitMs: number
  readonly #closeDeadlineMs: number

  readonly #streams = new Map<number, YamuxStream>()
  readonly #parity: number
  #nextId: number
  #lastPeerId: number
  #peerStreams = 0
  #skippedIds: Set<number> | undefined // made when one is, which few peers ever do

  // The Data frame being read: its stream, and whether a FIN follows its last piece.
  #receiving: YamuxStream | undefined
  #receivingFin = false

  #bufferedBytes = 0
  /** Streams with unread bytes, the one whose reader moved longest ago first, and when that was. Made with the first. */
  #stalled: Map<YamuxStream, number> | undefined

  #isAlive = true
  #isGoAwaySent = false
  #isGoAwayReceived = false
  #closing: Promise<void> | undefined
  #onIdle: (() => void) | undefined
  #handshakeTimer: NodeJS.Timeout | undefined
  #isCarrierGone = false
  #onCarrierGone: (() => void) | undefined
  #resolveClosed!: (error: ProtocolError | undefined) => void // set by the Promise in the constructor

  constructor(carrier: Carrier, options: YamuxSessionOptions) {
    this.#carrier = carrier
    this.#onStream = options.onStream
    this.#maxStreams = options.maxStreams ?? MAX_STREAMS
    this.#maxWindowBytes = Math.max(INITIAL_WINDOW_BYTES, options.maxWindowBytes ?? MAX_WINDOW_BYTES)
    this.#maxBufferedBytes = options.maxBufferedBytes ?? options.budget?.sessionMaxBytes ?? MAX_BUFFERED_BYTES
    this.#budget = options.budget
    this.#stallLimitMs = options.stallLimitMs ?? STALL_LIMIT_MS
    this.#closeDeadlineMs = options.closeDeadlineMs ?? CLOSE_DEADLINE_MS
    this.#nextId = options.role === 'client' ? 1 : 2
    this.#parity = this.#nextId % 2
    this.#lastPeerId = options.role === 'client' ? 0 : -1
    this.closed = new Promise((resolve) => (this.#resolveClosed = resolve))

    const inside = new YamuxSession.#Inside(this)
    this.#host = inside
    this.#reader = new FrameReader(inside)
    this.#outbox = new Outbox(carrier)
    carrier.onMessage = (chunk) => this.#receive(chunk)
    carrier.onClose = (error) => this.#carrierClosed(error)
    this.#liveness = new Liveness(inside, {
      pingIntervalMs: options.pingIntervalMs ?? PING_INTERVAL_MS,
      silenceLimitMs: options.silenceLimitMs ?? SILENCE_LIMIT_MS,
    })
  }

  /** Whether `openStream()` would succeed. */
  get isOpen(): boolean {
    return this.#isAlive && !this.#isGoAwaySent && !this.#isGoAwayReceived && this.#nextId <= UINT32_MAX
  }

  /** Streams of both sides that are not closed yet. */
  get streamCount(): number {
    return this.#streams.size
  }

  /** Whether a message leaves at the end of this turn of the event loop anyway. */
  get isGathering(): boolean {
    return this.#outbox.isGathering
  }

  /** Bytes received and not yet read, over all streams. */
  get bufferedBytes(): number {
    return this.#bufferedBytes
  }

  /** The last measured round trip. */
  get roundTripMs(): number | undefined {
    return this.#liveness.roundTripMs
  }

  /** The shortest measured round trip: the path without its queues. */
  get minRoundTripMs(): number | undefined {
    return this.#liveness.minRoundTripMs
  }

  /**
   * Opens a stream; costs no round trip, since the SYN leaves with the first data, or alone at the end of this turn.
   * @throws ProtocolError `session_closed` after GoAway from either side, or the end
   */
  openStream(): YamuxStream {
    if (!this.isOpen) throw new ProtocolError('session_closed')
    const stream = new YamuxStream(this.#nextId, FLAG_SYN, 'here', this.#host)
    this.#nextId += 2
    this.#streams.set(stream.id, stream)
    this.#outbox.announce(stream)
    return stream
  }

  /** Round trip in milliseconds. Rejects with the session's error when it ends first. */
  ping(): Promise<number> {
    if (!this.#isAlive) return Promise.reject(new ProtocolError('session_closed'))
    return this.#liveness.ping()
  }

  /** Asks the peer to open no more streams. Those that are open, or were opened before it hears, are served. */
  goAway(): void {
    if (!this.#isAlive || this.#isGoAwaySent) return
    this.#isGoAwaySent = true
    this.#outbox.goAway(GO_AWAY_NORMAL)
  }

  /**
   * Graceful and idempotent: GoAway, then waits for streams to end, then closes the carrier. Streams that are open at
   * the deadline are reset.
   */
  close({ deadlineMs = this.#closeDeadlineMs }: { deadlineMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#drainAndClose(deadlineMs)
    return this.#closing
  }

  /**
   * Immediate. Streams end with the error. The peer hears of a violation by GoAway, and of every other reason that is
   * not a dead connection by the close code.
   */
  destroy(error?: ProtocolError): void {
    if (!this.#isAlive) return
    const isViolation = error?.code === 'mux_violation'
    if (isViolation || error?.code === 'internal') {
      this.#outbox.goAway(isViolation ? GO_AWAY_PROTOCOL_ERROR : GO_AWAY_INTERNAL_ERROR)
    }
    const isDead = error?.code === 'silent' || error?.code === 'connection_lost'
    if (error === undefined || isDead) this.#outbox.discard()
    this.#end(error)
    if (error === undefined || isDead) this.#carrier.destroy()
    else this.#closeCarrier(error.closeCode, error.message)
  }

  async #drainAndClose(deadlineMs: number): Promise<void> {
    if (this.#isAlive) {
      this.goAway()
      await this.#idle(deadlineMs)
    }
    if (this.#isAlive) {
      for (const stream of this.#streams.values()) stream.reset()
      this.#end(undefined)
      this.#closeCarrier(1000, '')
    }
    if (!this.#isCarrierGone) await new Promise<void>((resolve) => (this.#onCarrierGone = resolve))
  }

  /** Until no stream is left, the session is over, or the time is. */
  #idle(deadlineMs: number): Promise<void> {
    if (this.#streams.size === 0) return Promise.resolve()
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#onIdle?.(), deadlineMs)
      this.#onIdle = () => {
        this.#onIdle = undefined
        clearTimeout(timer)
        resolve()
      }
    })
  }

  /** The one place where a session stops being alive. */
  #end(error: ProtocolError | undefined): void {
    this.#isAlive = false
    this.#reader.stop()
    this.#receiving = undefined
    this.#outbox.close()
    const reason = error ?? new ProtocolError('session_closed')
    this.#liveness.stop(reason)
    for (const stream of this.#streams.values()) stream.detach(reason)
    this.#skippedIds = undefined
    this.#budget?.leave(this)
    this.#onIdle?.()
    this.#resolveClosed(error)
  }

  #closeCarrier(code: number, reason: string): void {
    if (this.#isCarrierGone) return
    this.#handshakeTimer = setTimeout(() => this.#carrier.destroy(), HANDSHAKE_MS)
    this.#handshakeTimer.unref()
    this.#carrier.close(code, reason)
  }

  #carrierClosed(error: Error | undefined): void {
    if (this.#isCarrierGone) return
    this.#isCarrierGone = true
    clearTimeout(this.#handshakeTimer)
    if (this.#isAlive) {
      this.#outbox.discard()
      this.#end(error && new ProtocolError('connection_lost', error.message, { cause: error }))
    }
    this.#onCarrierGone?.()
  }

  // ── frames ───────────────────────────────────────────────────────────────

  #receive(chunk: Buffer): void {
    try {
      this.#reader.push(chunk)
    } catch (error) {
      // Only a listener of a stream can throw here. The place in the byte stream is lost, so the session is, too; its
      // owner hears why from `closed`. The carrier's emitter must not: there it would end the process.
      this.destroy(new ProtocolError('internal', 'what this session sent could not be handled', { cause: error }))
    }
  }

  #violated(detail: string): void {
    this.destroy(new ProtocolError('mux_violation', detail))
  }

  #dataHeader(flags: number, streamId: number, length: number): boolean {
    // No window ever exceeds the cap, so neither does a frame, whoever it is for.
    if (length > this.#maxWindowBytes) {
      this.#violated(`a frame of ${length} bytes`)
      return false
    }
    const stream = flags === 0 ? this.#streams.get(streamId) : this.#flagged(flags, streamId, length)
    if (!stream) {
      if (this.#isAlive && !this.#isPast(streamId))
        this.#violated(`data for stream ${streamId}, which was never opened`)
      return false
    }
    if (!stream.spendWindow(length)) {
      this.#violated(`stream ${streamId}: ${length} bytes beyond its window`)
      return false
    }
    const isFin = (flags & FLAG_FIN) !== 0
    if (length === 0) {
      if (isFin) stream.receiveFin()
      return false
    }
    this.#receiving = stream
    this.#receivingFin = isFin
    return true
  }

  #windowUpdate(flags: number, streamId: number, credit: number): void {
    const stream = flags === 0 ? this.#streams.get(streamId) : this.#flagged(flags, streamId, 0)
    if (!stream) {
      if (this.#isAlive && !this.#isPast(streamId)) this.#violated(`credit for stream ${streamId}, never opened`)
      return
    }
    if (credit > 0 && !stream.receiveCredit(credit)) {
      return this.#violated(`stream ${streamId}: window beyond 2^32-1`)
    }
    if ((flags & FLAG_FIN) !== 0) stream.receiveFin()
  }

  /** Obeys SYN and RST, and finds the stream. Undefined where there is none (any more): refused, reset, or long gone. */
  #flagged(flags: number, streamId: number, length: number): YamuxStream | undefined {
    const isReset = (flags & FLAG_RST) !== 0
    if ((flags & FLAG_SYN) !== 0) return this.#opened(streamId, length, isReset)
    const stream = this.#streams.get(streamId)
    if (!isReset || !stream) return stream
    stream.receiveReset()
    return undefined
  }

  /** The peer opens a stream. */
  #opened(streamId: number, length: number, isReset: boolean): YamuxStream | undefined {
    if (!this.#takePeerId(streamId)) {
      this.#violated(`SYN for stream ${streamId}`)
      return undefined
    }
    if (length > INITIAL_WINDOW_BYTES) {
      this.#violated(`stream ${streamId}: ${length} bytes with its SYN`)
      return undefined
    }
    if (isReset) return undefined
    if (!this.#onStream || this.#peerStreams >= this.#maxStreams) {
      this.#sendReset(streamId)
      return undefined
    }
    const stream = new YamuxStream(streamId, FLAG_ACK, 'by-peer', this.#host)
    this.#streams.set(streamId, stream)
    this.#peerStreams++
    this.#outbox.announce(stream)
    this.#onStream(stream)
    return stream
  }

  /** Whether the peer may open this id: of its parity, and never used before. */
  #takePeerId(streamId: number): boolean {
    if (streamId === 0 || this.#isOurs(streamId)) return false
    if (streamId <= this.#lastPeerId) return this.#skippedIds?.delete(streamId) ?? false
    const firstSkipped = Math.max(this.#lastPeerId + 2, streamId - 2 * SKIPPED_IDS_PER_SYN)
    this.#lastPeerId = streamId
    if (firstSkipped === streamId) return true
    const skipped = (this.#skippedIds ??= new Set())
    for (let id = firstSkipped; id < streamId; id += 2) skipped.add(id)
    for (const id of skipped) {
      if (skipped.size <= SKIPPED_IDS_AT_MOST) break
      skipped.delete(id)
    }
    return true
  }

  /** Whether a stream of this id may have existed, so that a frame for it is merely late. */
  #isPast(streamId: number): boolean {
    if (streamId === 0) return false
    return this.#isOurs(streamId) ? streamId < this.#nextId : streamId <= this.#lastPeerId
  }

  #isOurs(streamId: number): boolean {
    return streamId % 2 === this.#parity
  }

  #pinged(flags: number, streamId: number, opaque: number): void {
    if (streamId !== 0) return this.#violated(`a ping on stream ${streamId}`)
    if (flags === FLAG_SYN) this.#outbox.pong(opaque)
    else if (flags === FLAG_ACK) this.#liveness.answered(opaque)
    else this.#violated(`ping flags ${flags}`)
  }

  #wentAway(streamId: number, code: number): void {
    if (streamId !== 0) return this.#violated(`GoAway on stream ${streamId}`)
    if (code === GO_AWAY_NORMAL) {
      if (this.#isGoAwayReceived) return
      this.#isGoAwayReceived = true
      this.onGoAway?.()
      return
    }
    // The peer has given up; there is nothing left to tell it.
    const error =
      code === GO_AWAY_PROTOCOL_ERROR
        ? new ProtocolError('mux_violation', 'the peer says that we broke the protocol')
        : new ProtocolError('connection_lost', `the peer went away with code ${code}`)
    this.#outbox.discard()
    this.#end(error)
    this.#closeCarrier(error.code === 'mux_violation' ? error.closeCode : 1000, '')
  }

  // ── what the parts ask of us ─────────────────────────────────────────────

  /** One small object: as closures of each session, these would be a kilobyte of every idle agent. */
  static readonly #Inside = class implements FrameSink, StreamHost, LivenessHost {
    readonly #session: YamuxSession

    constructor(session: YamuxSession) {
      this.#session = session
    }

    // The reader.

    onHeader(type: number, flags: number, streamId: number, length: number): boolean {
      const session = this.#session
      switch (type) {
        case TYPE_DATA:
          return session.#dataHeader(flags, streamId, length)
        case TYPE_WINDOW_UPDATE:
          session.#windowUpdate(flags, streamId, length)
          return false
        case TYPE_PING:
          session.#pinged(flags, streamId, length)
          return false
        default:
          session.#wentAway(streamId, length)
          return false
      }
    }

    onPayload(piece: Buffer, last: boolean): void {
      const session = this.#session
      const stream = session.#receiving
      if (!stream) return
      if (last) session.#receiving = undefined
      stream.receive(piece)
      if (last && session.#receivingFin) stream.receiveFin()
    }

    onMalformed(detail: string): void {
      this.#session.#violated(detail)
    }

    // Streams.

    ready(stream: YamuxStream, added: number): void {
      this.#session.#outbox.ready(stream, added)
    }

    announce(stream: YamuxStream): void {
      this.#session.#outbox.announce(stream)
    }

    bufferedBy(bytes: number): void {
      this.#session.#bufferedBytes += bytes
      this.#session.#budget?.add(bytes)
    }

    stalled(stream: YamuxStream): void {
      const session = this.#session
      const stalled = (session.#stalled ??= session.#firstStall())
      if (!stalled.has(stream)) stalled.set(stream, performance.now())
      if (session.#isBufferPast(SHORT_SHARE)) session.#sacrifice(performance.now())
    }

    progressed(stream: YamuxStream, waiting: boolean): void {
      this.#session.#stalled?.delete(stream)
      if (waiting) this.#session.#stalled?.set(stream, performance.now())
    }

    /** Credit cannot be recalled, so windows stop growing well before the cap is reached. */
    windowCeiling(): number {
      return this.#session.#isBufferPast(TIGHT_SHARE) ? SMALLEST_WINDOW_BYTES : this.#session.#maxWindowBytes
    }

    minRoundTripMs(): number | undefined {
      return this.#session.#liveness.minRoundTripMs
    }

    released(stream: YamuxStream, sendReset: boolean): void {
      this.#session.#released(stream, sendReset)
    }

    // Liveness.

    bytesRead(): number {
      return this.#session.#carrier.bytesRead
    }

    sendPing(opaque: number): void {
      this.#session.#outbox.ping(opaque)
    }

    onSilent(): void {
      this.#session.destroy(new ProtocolError('silent'))
    }
  }

  #isBufferPast(share: number): boolean {
    return this.#bufferedBytes > this.#maxBufferedBytes * share || (this.#budget?.isPast(share) ?? false)
  }

  #firstStall(): Map<YamuxStream, number> {
    this.#budget?.join(this)
    return new Map()
  }

  /**
   * Memory is short: who has not read for long goes. Where that is not enough, over the cap, the stream whose reader has not
   * moved for longest, so that its siblings need not wait for it.
   */
  #sacrifice(now: number): void {
    for (const since of this.#stalled?.values() ?? []) {
      const isOver = this.#bufferedBytes > this.#maxBufferedBytes
      if (!isOver && (now - since < this.#stallLimitMs || !this.#isBufferPast(SHORT_SHARE))) break
      this.giveUpOne()
    }
    this.#budget?.shrink()
  }

  /** Budget: resets the stream whose reader has stood still longest. */
  giveUpOne(): boolean {
    for (const stream of this.#stalled?.keys() ?? []) {
      stream.destroy(new ProtocolError('buffer_exhausted', `stream ${stream.id} was not read for too long`))
      return true
    }
    return false
  }

  #released(stream: YamuxStream, sendReset: boolean): void {
    this.#streams.delete(stream.id)
    this.#stalled?.delete(stream)
    this.#outbox.forget(stream)
    if (!this.#isOurs(stream.id)) this.#peerStreams--
    if (this.#receiving === stream) this.#receiving = undefined
    if (sendReset) this.#sendReset(stream.id)
    if (this.#streams.size === 0) this.#onIdle?.()
  }

  #sendReset(streamId: number): void {
    if (this.#isAlive && !this.#outbox.reset(streamId))
      this.#violated('the peer provokes resets and does not read them')
  }
}

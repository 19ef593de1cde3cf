// A yamux session: many streams over one carrier, wire-compatible with
// https://github.com/hashicorp/yamux/blob/master/spec.md. It routes frames to streams, opens and accepts them, and ends
// them all together. The outbox decides the order of sending, `stream-ids.ts` which ids are new, `unread-bytes.ts`
// which stream to reset if memory is short. Each stream holds its own bytes.
//
// Each input from a peer has one of three results: it is served, its stream is reset, or, if it breaks the rules of the
// session itself, GoAway(1) and the end of the session as `mux_violation`. It never throws.
//
//   open ──goAway()/GoAway(0)──▶ draining (no new streams) ──close()──▶ closed
//     └────── violation, silence, destroy(), carrier gone ──────────────▶ closed, with an error

// oxlint-disable no-unused-private-class-members -- it does not see that #Inside uses them; the compiler does

import { ProtocolError } from '../process/errors.ts'
import type { Carrier } from './carrier.ts'
import { CarrierEnd } from './carrier-end.ts'
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
} from './frame.ts'
import { FrameReader, type FrameSink } from './frame-reader.ts'
import { Liveness, type LivenessHost } from './liveness.ts'
import { Outbox } from './outbox.ts'
import { SMALLEST_WINDOW_BYTES } from './receive-window.ts'
import { DEFAULTS, type YamuxSessionOptions } from './session-options.ts'
import { StreamIds } from './stream-ids.ts'
import { YamuxStream, type StreamHost } from './stream.ts'
import { UnreadBytes } from './unread-bytes.ts'

export class YamuxSession {
  /** The peer asks us to open no more streams. */
  onGoAway: (() => void) | undefined
  /**
   * Resolves, never rejects, when the session has ended: with the error, or with undefined if it was closed on purpose.
   */
  readonly closed: Promise<ProtocolError | undefined>

  readonly #carrier: Carrier
  readonly #carrierEnd: CarrierEnd
  readonly #outbox: Outbox
  readonly #liveness: Liveness
  readonly #reader: FrameReader
  readonly #host: StreamHost

  readonly #onStream: ((stream: YamuxStream) => void) | undefined
  readonly #maxStreams: number
  readonly #maxWindowBytes: number
  readonly #closeDeadlineMs: number

  readonly #streams = new Map<number, YamuxStream>()
  readonly #ids: StreamIds
  readonly #unread: UnreadBytes
  #peerStreams = 0

  // The Data frame being read: its stream, and whether a FIN follows its last piece.
  #receiving: YamuxStream | undefined
  #receivingFin = false

  #isAlive = true
  #isGoAwaySent = false
  #isGoAwayReceived = false
  #closing: Promise<void> | undefined
  #onIdle: (() => void) | undefined
  #resolveClosed!: (error: ProtocolError | undefined) => void // set by the Promise in the constructor

  constructor(carrier: Carrier, options: YamuxSessionOptions) {
    this.#carrier = carrier
    this.#carrierEnd = new CarrierEnd(carrier)
    const settings = { ...DEFAULTS, ...options }
    this.#onStream = options.onStream
    this.#maxStreams = settings.maxStreams
    this.#maxWindowBytes = Math.max(INITIAL_WINDOW_BYTES, settings.maxWindowBytes)
    this.#closeDeadlineMs = settings.closeDeadlineMs
    this.#ids = new StreamIds(options.role)
    this.#unread = new UnreadBytes(settings)
    this.closed = new Promise((resolve) => (this.#resolveClosed = resolve))

    const inside = new YamuxSession.#Inside(this, this.#unread)
    this.#host = inside
    this.#reader = new FrameReader(inside)
    this.#outbox = new Outbox(carrier)
    carrier.onMessage = (chunk) => this.#receive(chunk)
    carrier.onClose = (error) => this.#carrierClosed(error)
    this.#liveness = new Liveness(inside, settings)
  }

  /** Whether `openStream()` would succeed. */
  get isOpen(): boolean {
    return this.#isAlive && !this.#isGoAwaySent && !this.#isGoAwayReceived && this.#ids.hasNext
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
    return this.#unread.bufferedBytes
  }

  /** The last measured round trip. */
  get roundTripMs(): number | undefined {
    return this.#liveness.roundTripMs
  }

  /**
   * Opens a stream; costs no round trip, since the SYN leaves with the first data, or alone at the end of this turn.
   * @throws ProtocolError `session_closed` after GoAway from either side, or the end
   */
  openStream(): YamuxStream {
    if (!this.isOpen) throw new ProtocolError('session_closed')
    const stream = new YamuxStream(this.#ids.take(), FLAG_SYN, 'here', this.#host)
    this.#streams.set(stream.id, stream)
    this.#outbox.announce(stream)
    return stream
  }

  /** Round trip in milliseconds. Rejects with the session's error when it ends first. */
  ping(): Promise<number> {
    if (!this.#isAlive) return Promise.reject(new ProtocolError('session_closed'))
    return this.#liveness.ping()
  }

  /**
   * Asks the peer to open no more streams. Streams that are open, or that the peer opens before it hears, are served.
   */
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
   * Immediate. Streams end with the error. The peer learns of a violation by GoAway, and of any other reason except a
   * dead connection by the close code.
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
    else this.#carrierEnd.close(error.closeCode, error.message)
  }

  async #drainAndClose(deadlineMs: number): Promise<void> {
    if (this.#isAlive) {
      this.goAway()
      await this.#idle(deadlineMs)
    }
    if (this.#isAlive) {
      for (const stream of this.#streams.values()) stream.reset()
      this.#end(undefined)
      this.#carrierEnd.close(1000, '')
    }
    await this.#carrierEnd.gone()
  }

  /** Until no stream is left, the session has ended, or the time has passed. */
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
    this.#unread.leaveBudget()
    this.#onIdle?.()
    this.#resolveClosed(error)
  }

  #carrierClosed(error: Error | undefined): void {
    this.#carrierEnd.markGone()
    if (!this.#isAlive) return
    this.#outbox.discard()
    this.#end(error && new ProtocolError('connection_lost', error.message, { cause: error }))
  }

  // ── frames ───────────────────────────────────────────────────────────────

  #receive(chunk: Buffer): void {
    try {
      this.#reader.push(chunk)
    } catch (error) {
      // Only a listener of a stream can throw here. The position in the byte stream is lost, so the session ends; its
      // owner learns the reason from `closed`. The error must not reach the carrier's emitter: there it would end the
      // process.
      this.destroy(new ProtocolError('internal', 'what this session sent could not be handled', { cause: error }))
    }
  }

  #violated(detail: string): void {
    this.destroy(new ProtocolError('mux_violation', detail))
  }

  #dataHeader(flags: number, streamId: number, length: number): boolean {
    // No window ever exceeds the cap, so neither does a frame, for any stream.
    if (length > this.#maxWindowBytes) {
      this.#violated(`a frame of ${length} bytes`)
      return false
    }
    const stream = flags === 0 ? this.#streams.get(streamId) : this.#flagged(flags, streamId, length)
    if (!stream) {
      if (this.#isAlive && !this.#ids.isPast(streamId))
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
      if (this.#isAlive && !this.#ids.isPast(streamId)) this.#violated(`credit for stream ${streamId}, never opened`)
      return
    }
    if (credit > 0 && !stream.receiveCredit(credit)) {
      return this.#violated(`stream ${streamId}: window beyond 2^32-1`)
    }
    if ((flags & FLAG_FIN) !== 0) stream.receiveFin()
  }

  /**
   * Obeys SYN and RST, and finds the stream. Undefined if it does not exist (any more): refused, reset, or long gone.
   */
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
    if (!this.#ids.takeOfPeer(streamId)) {
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
    // The peer has given up, so there is nothing more to send.
    const error =
      code === GO_AWAY_PROTOCOL_ERROR
        ? new ProtocolError('mux_violation', 'the peer says that we broke the protocol')
        : new ProtocolError('connection_lost', `the peer went away with code ${code}`)
    this.#outbox.discard()
    this.#end(error)
    this.#carrierEnd.close(error.code === 'mux_violation' ? error.closeCode : 1000, '')
  }

  // ── calls of the parts ─────────────────────────────────────────────

  /** One small object: as closures of each session, these would be a kilobyte of every idle agent. */
  static readonly #Inside = class implements FrameSink, StreamHost, LivenessHost {
    readonly #session: YamuxSession
    readonly #unread: UnreadBytes

    constructor(session: YamuxSession, unread: UnreadBytes) {
      this.#session = session
      this.#unread = unread
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
      this.#unread.add(bytes)
    }

    stalled(stream: YamuxStream): void {
      this.#unread.stalled(stream)
    }

    progressed(stream: YamuxStream, waiting: boolean): void {
      this.#unread.progressed(stream, waiting)
    }

    windowCeiling(): number {
      return this.#unread.isTight ? SMALLEST_WINDOW_BYTES : this.#session.#maxWindowBytes
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

  #released(stream: YamuxStream, sendReset: boolean): void {
    this.#streams.delete(stream.id)
    this.#unread.forget(stream)
    this.#outbox.forget(stream)
    if (!this.#ids.isOurs(stream.id)) this.#peerStreams--
    if (this.#receiving === stream) this.#receiving = undefined
    if (sendReset) this.#sendReset(stream.id)
    if (this.#streams.size === 0) this.#onIdle?.()
  }

  #sendReset(streamId: number): void {
    if (this.#isAlive && !this.#outbox.reset(streamId))
      this.#violated('the peer provokes resets and does not read them')
  }
}

// One yamux stream as a Node Duplex. It owns its bytes in both directions: written bytes that wait for a message, and
// received bytes that wait for a reader. It decides nothing about other streams; the session routes frames to it and
// the outbox takes frames from it.
//
//   this side writes                          the peer writes
//   ────────────────                          ───────────────
//   open ──end()──▶ finDue ──in a message──▶ finSent        open ──FIN──▶ finReceived ──read out──▶ 'end'
//
//   finSent and read out ─────────────▶ closed (Node destroys the Duplex; nothing is sent)
//   destroy() or reset() before that ─▶ closed, RST to the peer (nothing if the SYN never left)
//   resetAfterWrites() ───────────────▶ the same, once everything written is in messages
//   RST from the peer ────────────────▶ closed, error `stream_reset`
//   session dies ─────────────────────▶ closed, error of the session, nothing is sent
// The first frame that leaves carries SYN (we opened) or ACK (the peer did). Only session and outbox call the methods
// marked "Session:" and "Outbox:".

import { Duplex } from 'node:stream'

import { ProtocolError } from '../process/errors.ts'
import { INITIAL_WINDOW_BYTES, UINT32_MAX } from './frame.ts'
import { ReceiveQueue, compact } from './receive-queue.ts'
import { ReceiveWindow } from './receive-window.ts'
import { SendQueue } from './send-queue.ts'

/** The session, as far as a stream needs it. */
export interface StreamHost {
  /** `added` more bytes, or a FIN, can leave. */
  ready(stream: YamuxStream, added: number): void
  /** A flag or credit waits to be sent to the peer. */
  announce(stream: YamuxStream): void
  /** Unread bytes grew or shrank. */
  bufferedBy(bytes: number): void
  /** Bytes wait for the reader of this stream. May reset this or another stream. */
  stalled(stream: YamuxStream): void
  /** The reader took bytes; `waiting` says whether more wait. */
  progressed(stream: YamuxStream, waiting: boolean): void
  /** The largest receive window allowed now. */
  windowCeiling(): number
  minRoundTripMs(): number | undefined
  /** The stream is gone; `sendReset` if the peer must learn of it. */
  released(stream: YamuxStream, sendReset: boolean): void
}

// A piece as small as a head bypasses Writable if nothing waits there.
const DIRECT_BYTES = 16 * 1024
// Above so many written bytes the writer waits, even if the window allows more: one message's worth.
const QUEUE_LIMIT_BYTES = 64 * 1024

type WriteCallback = (error?: Error | null) => void

export class YamuxStream extends Duplex {
  readonly id: number
  readonly #host: StreamHost

  readonly #outgoing = new SendQueue()
  #sendCredit = INITIAL_WINDOW_BYTES
  #pendingFlags: number
  #introduced: boolean
  #writeDone: ((error?: Error | null) => void) | undefined
  #finDone: ((error?: Error | null) => void) | undefined
  #finSent = false
  #resetDue = false

  readonly #incoming = new ReceiveQueue()
  readonly #window = new ReceiveWindow()
  #pendingCredit = 0
  #unread = 0
  #isStalled = false
  #readerWaits = false
  #finReceived = false
  #endPushed = false

  #isDetached = false

  /** @param introduction the flag of the first frame: SYN if we open, ACK if the peer did */
  constructor(id: number, introduction: number, opened: 'here' | 'by-peer', host: StreamHost) {
    // No read-ahead in Node's own buffer: bytes that the reader has not asked for stay in our queue, where they are
    // merged, counted and not yet credited.
    super({ readableHighWaterMark: 0, writableHighWaterMark: QUEUE_LIMIT_BYTES })
    this.id = id
    this.#host = host
    this.#pendingFlags = introduction
    this.#introduced = opened === 'by-peer'
    // A peer can reset any stream at any moment; before a listener exists, that must not end the process.
    this.on('error', ignore)
  }

  /** Ends the stream at once: RST to the peer, unless both directions had finished. */
  reset(): void {
    this.destroy()
  }

  /** Ends the stream by RST after the written bytes, as far as the peer takes them. Its owner sets the deadline. */
  resetAfterWrites(): void {
    this.#resetDue = true
    this.#resetIfDue()
  }

  #resetIfDue(): void {
    if (this.#resetDue && this.#outgoing.bytes === 0 && this.writableLength === 0) this.destroy()
  }

  // ── reading ──────────────────────────────────────────────────────────────

  /** As `Readable.read`; every way of reading comes through here, so credit is earned here. */
  override read(size?: number): Buffer | null {
    const chunk = super.read(size) as Buffer | null // bytes only: no encoding is ever set on a mux stream
    if (chunk !== null) this.#account()
    return chunk
  }

  override _read(): void {
    const block = this.#incoming.shift()
    if (block) this.push(block)
    else this.#readerWaits = true
    this.#pushEnd()
  }

  /** Session: takes the window for a Data frame of this length; false when the peer overdrew it. */
  spendWindow(length: number): boolean {
    return this.#window.spend(length)
  }

  /** Session: the next bytes from the peer. Delivered in this turn when a reader waits. */
  receive(piece: Buffer): void {
    if (this.destroyed) return
    if (this.#finReceived) return this.#violated('data after FIN')
    this.#unread += piece.length
    this.#host.bufferedBy(piece.length)
    const flowing = this.readableFlowing === true
    if ((flowing || this.#readerWaits) && this.#incoming.bytes === 0 && this.readableLength === 0) {
      this.#readerWaits = false
      this.push(flowing ? piece : compact(piece))
    } else {
      this.#incoming.push(piece)
    }
    this.#account()
    if (this.#unread > 0) {
      this.#isStalled = true
      this.#host.stalled(this)
    }
  }

  /** Session: the peer has finished writing. */
  receiveFin(): void {
    if (this.destroyed) return
    if (this.#finReceived) return this.#violated('a second FIN')
    this.#finReceived = true
    this.#pushEnd()
  }

  /** Session: the peer has given up this stream. */
  receiveReset(): void {
    this.detach(resetByPeer())
  }

  /** Session: destroys the stream without telling the peer. */
  detach(error: ProtocolError): void {
    if (this.destroyed) return
    this.#isDetached = true
    this.destroy(error)
  }

  #violated(detail: string): void {
    this.destroy(new ProtocolError('mux_violation', `stream ${this.id}: ${detail}`))
  }

  #pushEnd(): void {
    if (!this.#finReceived || this.#endPushed || this.#incoming.bytes > 0) return
    this.#endPushed = true
    this.push(null)
  }

  #account(): void {
    const unread = this.#incoming.bytes + this.readableLength
    const taken = this.#unread - unread
    if (taken <= 0 || this.destroyed) return
    this.#unread = unread
    this.#host.bufferedBy(-taken)
    if (this.#isStalled) {
      this.#isStalled = unread > 0
      this.#host.progressed(this, this.#isStalled)
    }
    if (this.#finReceived || !this.#window.isGrantDue(unread)) return
    this.#pendingCredit += this.#window.grant(
      unread,
      this.#host.windowCeiling(),
      performance.now(),
      this.#host.minRoundTripMs(),
    )
    if (this.#pendingCredit > 0) this.#host.announce(this)
  }

  // ── writing ──────────────────────────────────────────────────────────────

  /** As `Writable.write`. A small piece that fits needs neither the queue nor the callback and tick of Writable. */
  override write(chunk: unknown, encoding?: BufferEncoding | WriteCallback, callback?: WriteCallback): boolean {
    const isDirect =
      encoding === undefined &&
      chunk instanceof Buffer &&
      chunk.length <= DIRECT_BYTES &&
      this.writable &&
      this.writableLength === 0 &&
      this.#mayWriteMore()
    if (!isDirect) return super.write(chunk, encoding as BufferEncoding, callback) // either of its two forms
    this.#outgoing.push(chunk)
    if (this.isReady) this.#host.ready(this, chunk.length) // may send it right now
    return true
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#outgoing.push(chunk)
    this.#written(chunk.length, done)
  }

  override _writev(
    chunks: Array<{ chunk: Buffer; encoding: BufferEncoding }>,
    done: (error?: Error | null) => void,
  ): void {
    const before = this.#outgoing.bytes
    for (const { chunk } of chunks) this.#outgoing.push(chunk)
    this.#written(this.#outgoing.bytes - before, done)
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#finDone = done
    if (this.isReady) this.#host.ready(this, 0)
  }

  #written(added: number, done: (error?: Error | null) => void): void {
    if (this.isReady) this.#host.ready(this, added) // may send it right now
    if (this.#mayWriteMore()) done()
    else this.#writeDone = done
  }

  #mayWriteMore(): boolean {
    return this.#outgoing.bytes < QUEUE_LIMIT_BYTES && this.#outgoing.bytes <= this.#sendCredit
  }

  /** Session: the peer's reader made room. False when the window passes 2^32-1. */
  receiveCredit(credit: number): boolean {
    if (this.#sendCredit + credit > UINT32_MAX) return false
    const wasReady = this.isReady
    this.#sendCredit += credit
    if (!wasReady && this.isReady && !this.destroyed) this.#host.ready(this, this.#outgoing.bytes)
    return true
  }

  /** Outbox: whether data or a FIN could go into a message now. */
  get isReady(): boolean {
    return this.#outgoing.bytes > 0 ? this.#sendCredit > 0 : this.isFinDue
  }

  /** Outbox: how many bytes could go into a message now. */
  get sendableBytes(): number {
    return Math.min(this.#outgoing.bytes, this.#sendCredit)
  }

  /** Outbox: bytes written and not yet in a message, window or not. */
  get queuedBytes(): number {
    return this.#outgoing.bytes
  }

  /** Outbox: everything written is in messages, and the writer has ended. */
  get isFinDue(): boolean {
    return this.#finDone !== undefined && !this.#finSent && this.#outgoing.bytes === 0
  }

  /** Outbox: SYN or ACK for the frame being written, once. */
  takeFlags(): number {
    const flags = this.#pendingFlags
    this.#pendingFlags = 0
    this.#introduced = true
    return flags
  }

  /** Outbox: credit for the window update being written. */
  takeCredit(): number {
    const credit = this.#pendingCredit
    this.#pendingCredit = 0
    return credit
  }

  get hasAnnouncement(): boolean {
    return this.#pendingFlags !== 0 || this.#pendingCredit > 0
  }

  get hasCredit(): boolean {
    return this.#pendingCredit > 0
  }

  /** Outbox: moves the next bytes into a message. */
  moveTo(message: Buffer, offset: number, count: number): void {
    this.#outgoing.moveTo(message, offset, count)
    this.#sendCredit -= count
  }

  /** Outbox: the FIN is in a message. */
  markFinSent(): void {
    this.#finSent = true
  }

  /** Outbox: after the message was handed over, lets the writer continue. */
  settle(): void {
    if (this.#writeDone && this.#mayWriteMore()) {
      const done = this.#writeDone
      this.#writeDone = undefined
      done()
    }
    if (this.#finSent && this.#finDone) {
      const done = this.#finDone
      this.#finDone = undefined
      done()
    }
    if (this.#resetDue) this.#resetIfDue()
  }

  // ── ending ───────────────────────────────────────────────────────────────

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    const finished = this.#finSent && this.#finReceived
    this.#host.bufferedBy(-this.#unread)
    this.#unread = 0
    this.#incoming.clear()
    this.#host.released(this, !finished && !this.#isDetached && this.#introduced)
    this.#outgoing.clear()
    const pending = this.#writeDone ?? this.#finDone
    this.#writeDone = undefined
    this.#finDone = undefined
    done(error)
    pending?.(error ?? new ProtocolError('session_closed', 'the stream was destroyed'))
  }
}

/**
 * The error has no stack, because a stack would not show the peer's reasons, and Node formats the stack of every error
 * that ends a stream.
 */
function resetByPeer(): ProtocolError {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  const error = new ProtocolError('stream_reset')
  Error.stackTraceLimit = stackTraceLimit
  return error
}

function ignore(): void {
  // The stream's owner learns of the error from its own listener, `pipeline()` or `close`.
}
